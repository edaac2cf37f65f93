// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Leaves the process little of something, until destroyed: what a limit that others have set, or
// used up, does to it.
//
//   const auto shortage = leave_only(3, Scarce::kThreads);   // the fourth fails with EAGAIN
//
// Threads: one at a time.
// Owns: the limits, RLIMIT_NOFILE, RLIMIT_NPROC and RLIMIT_AS; what is above them before.
// Errors: std::system_error if the limit cannot be had.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_
#define ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_

#include <memory>

namespace zmqloop::faults {

enum class Scarce { kDescriptors, kThreads, kKilobytes };  // the last of address space

class Shortage {
 public:
  Shortage() = default;
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
  virtual ~Shortage() = default;
};

std::unique_ptr<Shortage> leave_only(long count, Scarce of);

// Makes the process's threads the only ones of their user, whose limit it is; root is bound by
// none. To be called before there is a second thread.
[[nodiscard]] bool become_the_only_one_of_its_user();

// What the process has used of its address space: now, and at most since it began.
long kilobytes_used();
long most_kilobytes_used();

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_
