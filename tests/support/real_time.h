// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs threads of real-time priority (SCHED_FIFO) on a CPU that they share with ordinary threads.
//
// A real-time thread has the CPU until it waits in the kernel: sched_yield() passes it on only to
// threads of the same priority. The kernel keeps a twentieth of each second for the others, so a
// real-time thread that waits for them without leaving the CPU does not hang. But then it has never
// left the CPU of its own accord, and we count those departures.

#ifndef ZMQLOOP_TESTS_SUPPORT_REAL_TIME_H_
#define ZMQLOOP_TESTS_SUPPORT_REAL_TIME_H_

#include <cerrno>
#include <cstring>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace zmqloop::testing {

// The CPU that the threads of a test share: one that this thread may use.
inline int shared_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  EXPECT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  int cpu = CPU_SETSIZE - 1;
  while (cpu > 0 && !CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) --cpu;
  return cpu;
}

inline void run_this_thread_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(cpu), &one);
  EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
}

inline bool make_this_thread_real_time() {
  sched_param priority{};
  priority.sched_priority = ::sched_get_priority_min(SCHED_FIFO);
  return ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

// Returns why this process may have no thread of real-time priority; empty if it may.
inline std::string why_no_real_time() {
  std::string reason;
  std::thread([&reason] {
    if (make_this_thread_real_time()) return;
    reason = std::string("SCHED_FIFO is for root, or CAP_SYS_NICE: ") + std::strerror(errno);
  }).join();
  return reason;
}

// Runs `f` on a thread of real-time priority on `cpu`; returns how often that thread has left the
// CPU of its own accord meanwhile.
template <class F>
long departures_at_real_time(int cpu, F&& f) {
  long departures = 0;
  std::thread([&] {
    run_this_thread_on(cpu);
    EXPECT_TRUE(make_this_thread_real_time());
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_THREAD, &before);
    f();
    ::getrusage(RUSAGE_THREAD, &after);
    departures = after.ru_nvcsw - before.ru_nvcsw;
  }).join();
  return departures;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_REAL_TIME_H_
