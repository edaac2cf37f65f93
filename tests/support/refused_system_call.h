// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes a system call fail, as on an old kernel or behind a container's filter.

#ifndef ZMQLOOP_TESTS_SUPPORT_REFUSED_SYSTEM_CALL_H_
#define ZMQLOOP_TESTS_SUPPORT_REFUSED_SYSTEM_CALL_H_

#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace zmqloop::testing {

// Makes the kernel refuse a system call with `error` from now on, to this thread and the threads
// that it creates: for a forked child. Returns false if the kernel does not accept the filter.
inline bool refuse_system_call(unsigned number, unsigned error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_REFUSED_SYSTEM_CALL_H_
