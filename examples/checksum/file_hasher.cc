// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/file_hasher.h"

#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace checksum {
namespace {

std::error_code last_error() { return {errno, std::generic_category()}; }

}  // namespace

FileHasher::State FileHasher::step(std::span<std::byte> buffer, const std::stop_token& stop) {
  try {
    if (fd_ < 0 && !open(buffer.size())) return State::kFailed;
    return read_some(buffer, stop);
  } catch (const std::runtime_error&) {  // SHA-256 existed at program start, so: memory
    return fail(std::make_error_code(std::errc::not_enough_memory));
  }
}

bool FileHasher::open(std::size_t buffer_size) {
  // O_NONBLOCK: if a FIFO has replaced the file since the walk found it, open() must not block.
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat status;
  if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
    fail(last_error());
    return false;
  }
  if (!S_ISREG(status.st_mode)) {
    fail(std::make_error_code(S_ISDIR(status.st_mode) ? std::errc::is_a_directory
                                                      : std::errc::invalid_argument));
    return false;
  }
  // Not for small files: there the hint costs more than it gains.
  if (status.st_size > static_cast<off_t>(buffer_size)) {
    static_cast<void>(::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL));
  }
  sha256_.emplace();
  return true;
}

FileHasher::State FileHasher::read_some(std::span<std::byte> buffer, const std::stop_token& stop) {
  const std::uint64_t enough = bytes_ + kBytesPerStep;
  while (bytes_ < enough && !stop.stop_requested()) {
    const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail(last_error());
    }
    if (got == 0) {
      digest_ = sha256_->finish();
      close();
      return State::kDone;
    }
    sha256_->update(buffer.first(static_cast<std::size_t>(got)));
    bytes_ += static_cast<std::uint64_t>(got);
  }
  return State::kUnfinished;
}

FileHasher::State FileHasher::fail(std::error_code error) {
  error_ = error;
  close();
  return State::kFailed;
}

void FileHasher::close() {
  sha256_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace checksum
