// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Moves one thread's counts of system calls beyond those of all other threads.
//
// strace makes the n-th call of a kind fail in every thread it follows, so in several threads if
// several make n calls. So the chosen thread first makes N harmless calls of that kind, where no
// other thread makes more than N in all. Only the chosen thread reaches the numbers above N.
//
// Every thread first makes the calls chosen for it, then one getppid(), which nothing else here
// calls. All later calls are the thread's own.
//
// Threads: call choose() before there is a second thread. pthread_create() is replaced in the whole
// process, also for libzmq.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_
#define ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_

namespace zmqloop::faults {

struct ChosenThread {
  int thread = -1;  // 0: the main thread; others in the order of their creation
  long call = 0;    // the system call's number
  int times = 0;
};

// Chooses a thread, and the calls it makes when it begins.
void choose(const ChosenThread& chosen) noexcept;

// Makes the calls chosen for `thread`, then mark(). Runs at the start of each thread; for the main
// thread you must call it.
void begin_thread(int thread) noexcept;

// Marks a place in the output of strace, by one getppid().
void mark() noexcept;

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_
