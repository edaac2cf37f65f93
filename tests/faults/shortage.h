// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Leaves the process little of a resource until destroyed, as if others had set a limit or used the
// resource up.
//
//   const auto shortage = leave_only(3, Scarce::kThreads);   // the fourth fails with EAGAIN
//
// Threads: one at a time.
// Owns: RLIMIT_NPROC and RLIMIT_AS, which it restores; RLIMIT_NOFILE, which stays low; the
// descriptors that use it up.
// Errors: std::system_error if the limit cannot be set.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_
#define ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_

#include <memory>

namespace zmqloop::faults {

enum class Scarce { kDescriptors, kThreads, kKilobytes };  // kKilobytes: of address space

class Shortage {
 public:
  Shortage() = default;
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
  virtual ~Shortage() = default;
};

std::unique_ptr<Shortage> leave_only(long count, Scarce of);

// Makes the process's threads the only threads of their user, because the limit counts all threads
// of a user, and does not bind root. Returns false if this is not permitted. Call it before there
// is a second thread.
[[nodiscard]] bool become_the_only_one_of_its_user();

// Return the address space in use: now, and at its peak since the process began.
long kilobytes_used();
long most_kilobytes_used();

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_SHORTAGE_H_
