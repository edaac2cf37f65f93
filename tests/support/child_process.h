// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs part of a test in a forked child, and reports its end and its output on stderr.

#ifndef ZMQLOOP_TESTS_SUPPORT_CHILD_PROCESS_H_
#define ZMQLOOP_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process_facts.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {

struct ChildResult {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;
  std::string error_output;

  bool ok() const { return exit_code == 0; }
};

inline std::ostream& operator<<(std::ostream& out, const ChildResult& result) {
  return out << "exit code " << result.exit_code << ", signal " << result.signal
             << ", wrote: " << result.error_output;
}

// Calls fork(). AddressSanitizer's allocator, unlike the C library's, stays locked in a child if
// another thread was inside it. With it we first give the other threads some time to come to rest,
// above all those that libzmq has just started.
inline pid_t fork_at_rest() {
#ifdef __SANITIZE_ADDRESS__
  for (int looks = 0; looks < 200 && !other_threads_sleep(); ++looks) ::sched_yield();
#endif
  return ::fork();
}

// Runs `body` in a forked child and exits with its result, or with 99 if an exception escapes.
// SIGALRM ends a child that hangs. The child's destructors and exit handlers do not run.
template <class F>
ChildResult run_in_child(F&& body, pid_t (*fork_now)() = &fork_at_rest, unsigned seconds = 60) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = fork_now();
  if (child == 0) {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(seconds);
    ::dup2(ends[1], STDERR_FILENO);
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "escaped: %s\n", error.what());
    }
    std::fflush(stderr);
    ::_exit(code);
  }
  ::close(ends[1]);
  ChildResult result;
  char text[4096];
  for (ssize_t size = 0; (size = ::read(ends[0], text, sizeof text)) > 0;) {
    result.error_output.append(text, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace zmqloop::testing

// In a child: if `condition` does not hold, prints the line and leaves the body with 98.
#define ZMQLOOP_CHILD_EXPECT(condition)                                          \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      return 98;                                                                 \
    }                                                                            \
  } while (false)

// In a child: the same if `statement` does not throw an `exception`.
#define ZMQLOOP_CHILD_EXPECT_THROW(statement, exception)                         \
  do {                                                                           \
    bool threw = false;                                                          \
    try {                                                                        \
      statement;                                                                 \
    } catch (const exception&) {                                                 \
      threw = true;                                                              \
    }                                                                            \
    if (!threw) {                                                                \
      std::fprintf(stderr, "line %d: %s did not throw\n", __LINE__, #statement); \
      return 98;                                                                 \
    }                                                                            \
  } while (false)

#endif  // ZMQLOOP_TESTS_SUPPORT_CHILD_PROCESS_H_
