// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Writes a file as a whole or not at all.
//
// The text goes to a new file beside the target, which then replaces the target: a reader sees
// either the old text or the new one. A symbolic link is followed. A target that is no regular file
// (a pipe, /dev/stdout) is written to directly.
//
// Threads: one.
// Owns: nothing between the calls; no failure leaves a file behind.
// Errors: std::system_error naming the file and the reason.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_ATOMIC_FILE_H_
#define ZMQLOOP_BENCHMARKS_ATOMIC_FILE_H_

#include <string>
#include <string_view>

namespace zmqloop::bench {

class AtomicFile {
 public:
  // Throws if the file cannot be written at this time; does not change it.
  explicit AtomicFile(std::string name);

  // Replaces the file's content.
  void write(std::string_view text) const;

 private:
  std::string name_;    // as given, for messages
  std::string target_;  // with links resolved
  bool replace_;        // false: written to directly
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_ATOMIC_FILE_H_
