// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/thread.h"

#include <utility>

#include "tests/schedule/scheduler.h"

namespace zmqloop::schedule {
namespace {

// Calls the scheduler from a simulated thread. The rest of the block is the scheduler's own code.
class Call {
 public:
  Call() : scheduler_(*Scheduler::here()) {}
  Scheduler* operator->() const { return &scheduler_; }

 private:
  Scheduler& scheduler_;
  const Inside inside_;
};

constexpr char kDoorbells = 0;  // its address stands for all doorbells: waiters check again

}  // namespace

void yield() { Call()->yield(); }

std::size_t steps() { return Call()->steps(); }

std::uint32_t choose(std::uint32_t count) { return Call()->strategy().choose(count); }

void* find_local(const void* key) { return Call()->find_local(key); }

void add_local(const void* key, void* object, void (*destroy)(void*), bool trivial) {
  Call()->add_local(key, object, destroy, trivial);
}

// ---- Thread ----

Thread::Thread(const std::string& name, std::function<void()> body)
    : number_(Call()->start_thread(name, std::move(body))) {}

void Thread::join() {
  if (!std::exchange(joined_, true)) Call()->join(number_);
}

bool Thread::signal(std::function<void()> handler) const {
  return Call()->signal(number_, std::move(handler));
}

void Thread::resume() const { Call()->resume(number_); }

MayStop::MayStop(std::uint32_t within_steps) { Call()->stop_within(within_steps); }

MayStop::~MayStop() { Call()->stop_within(0); }

// ---- Doorbell ----

void Doorbell::ring() {
  rung_.store(true, std::memory_order_relaxed);
  Call()->wake(&kDoorbells);
}

void Doorbell::drain() { rung_.exchange(false, std::memory_order_relaxed); }

void Doorbell::wait_for_either(const Doorbell& a, const Doorbell& b) {
  Call()->step();
  while (!a.is_ringing() && !b.is_ringing()) Call()->block_on(&kDoorbells);
}

}  // namespace zmqloop::schedule
