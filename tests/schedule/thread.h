// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The building blocks of scenarios: threads, doorbells, signals and choices.
//
// Threads: simulated ones.
// Errors: fail().

#ifndef ZMQLOOP_TESTS_SCHEDULE_THREAD_H_
#define ZMQLOOP_TESTS_SCHEDULE_THREAD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/schedule/atom.h"
#include "tests/schedule/failure.h"

namespace zmqloop::schedule {

// Lets other threads go first. A busy-waiting loop must call it.
void yield();

// Returns the number of steps that all threads have made together.
std::size_t steps();

// Returns a random number below `count`, drawn from the schedule's seed.
std::uint32_t choose(std::uint32_t count);

// Objects of the calling thread; see per_thread().
void* find_local(const void* key);
void add_local(const void* key, void* object, void (*destroy)(void*), bool trivial);

// A simulated thread; joins in its destructor.
class Thread {
 public:
  Thread(const std::string& name, std::function<void()> body);
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { join(); }

  void join();

  // Makes a signal handler interrupt the thread at any of its next steps, at the latest at its end.
  // Returns false if the thread has ended.
  bool signal(std::function<void()> handler) const;

  // Lets the thread continue where it has stopped, and never stop again (MayStop).
  void resume() const;

 private:
  const std::size_t number_;
  bool joined_ = false;
};

// While it exists, the calling thread may stop at one of its next steps, as if preempted for good.
class MayStop {
 public:
  explicit MayStop(std::uint32_t within_steps);
  MayStop(const MayStop&) = delete;
  MayStop& operator=(const MayStop&) = delete;
  ~MayStop();
};

// A loop sleeps on it, like on an eventfd: rings are hints, and several rings count as one. Seeing
// a ring orders nothing: the protocol must not rely on it.
class Doorbell {
 public:
  Doorbell() = default;
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  void ring();
  // Takes all rings.
  void drain();

  bool is_ringing() const { return rung_.latest(); }

  // Waits until one of the two has rung.
  static void wait_for_either(const Doorbell& a, const Doorbell& b);

 private:
  Atom<bool> rung_{false};
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_THREAD_H_
