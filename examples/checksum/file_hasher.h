// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Computes the SHA-256 of one file, a step at a time.
//
// A step takes milliseconds, however large the file is, so a loop can do other work between two
// steps. The only memory needed is the caller's buffer: files larger than memory are no problem.
//
// Threads: one at a time. A hasher is handed from loop to loop; its current holder may use it.
// Owns: the open file.
// Errors: values.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_FILE_HASHER_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_FILE_HASHER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include "examples/checksum/sha256.h"

namespace checksum {

class FileHasher {
 public:
  // The limit of one step: some milliseconds of work.
  static constexpr std::uint64_t kBytesPerStep = std::uint64_t{4} << 20;

  enum class State { kUnfinished, kDone, kFailed };

  // Does not touch the file yet.
  explicit FileHasher(std::string path) : path_(std::move(path)) {}
  FileHasher(const FileHasher&) = delete;
  FileHasher& operator=(const FileHasher&) = delete;
  ~FileHasher() { close(); }

  // Opens the file if it is not open, reads and hashes some more of it, and closes it at its end.
  // Returns early once a stop is requested. Call it again only after kUnfinished.
  State step(std::span<std::byte> buffer, const std::stop_token& stop);

  // Moves the path out.
  std::string take_path() { return std::move(path_); }
  std::uint64_t bytes() const { return bytes_; }
  // Valid once step() has returned kDone.
  const Sha256Digest& digest() const { return digest_; }
  // The reason for kFailed.
  std::error_code error() const { return error_; }

 private:
  bool open(std::size_t buffer_size);
  void close();
  State read_some(std::span<std::byte> buffer, const std::stop_token& stop);
  State fail(std::error_code error);

  std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
  std::optional<Sha256> sha256_;  // while the file is open
  Sha256Digest digest_{};
  std::error_code error_;
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_FILE_HASHER_H_
