// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Moves one thread's counts of system calls beyond those of all others.
//
// strace makes the n-th call of a kind fail in each thread it follows, and so several at a time if
// several threads make that many. A thread that makes harmless calls of the kind first, as many as
// any other thread makes at all, is the only one that reaches its higher numbers.
//
// Every thread, when it begins, makes the calls it was chosen for and then one getppid(), which
// nothing else here calls: what comes after it is the thread's own.
//
// Threads: choose() before there is a second one. pthread_create() is replaced in the whole
// process, libzmq's own use of it included.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_
#define ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_

namespace zmqloop::faults {

struct ChosenThread {
  int thread = -1;  // 0: the main one; others in the order of their creation
  long call = 0;    // the system call's number
  int times = 0;
};

// Says which thread is to make which calls when it begins.
void choose(const ChosenThread& chosen) noexcept;

// What each thread does when it begins; for the main one, to be called.
void begin_thread(int thread) noexcept;

// Marks a place in what strace writes: one getppid().
void mark() noexcept;

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_CALL_COUNTS_H_
