// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/scheduler.h"

#include <algorithm>
#include <cstring>
#include <sys/single_threaded.h>
#include <utility>

#include "tests/schedule/failure.h"
#include "tests/schedule/heap.h"

// The program's variables lie between these two, which the linker defines.
extern "C" char __data_start;
extern "C" char _end;

namespace zmqloop::schedule {

constinit Scheduler* Scheduler::running = nullptr;
constinit bool Scheduler::is_inside = false;

Scheduler::Scheduler() {
  // Otherwise the standard library counts references without atomics, as the process has only one
  // real thread.
  __libc_single_threaded = 0;
  for (auto& thread : threads_) thread = std::make_unique<Thread>();
}

Scheduler::~Scheduler() = default;

std::size_t Scheduler::run(const std::function<void()>& body, StrategyKind strategy,
                           std::uint64_t seed) {
  running = this;
  const Inside inside;
  started_ = current_ = steps_ = 0;
  strategy_.begin(strategy, seed);
  atoms_.clear();
  races_.clear();
  trace_.clear();
  const Heap::Schedule heap;
  start_thread("main", body);
  Fiber::switch_between(own_fiber_, threads_[0]->fiber);
  if (heap.blocks() != 0) fail("memory was leaked");
  for (const Static& kept : statics_) std::memcpy(kept.memory, &kept.value, kept.bytes);
  statics_.clear();
  running = nullptr;
  return steps_;
}

// ---- simulated threads ----

std::size_t Scheduler::start_thread(const std::string& name, std::function<void()> body) {
  if (started_ == kMostThreads) fail("the scenario starts too many threads");
  const std::size_t number = started_++;
  Thread& thread = *threads_[number];
  thread.name.assign(name);  // in memory that outlives the schedule
  thread.body = std::move(body);
  thread.clock = number == 0 ? VectorClock() : clock();
  thread.clock.set(number, 1);
  thread.waits_for = nullptr;
  thread.ended = thread.stopped = false;
  thread.may_stop = true;
  thread.stops_in = 0;
  thread.locals.clear();
  thread.fiber.start(&Scheduler::thread_main);
  strategy_.add_thread(number);
  return number;
}

void Scheduler::thread_main() {
  Scheduler& self = *running;
  Thread& thread = *self.threads_[self.current_];
  is_inside = false;
  thread.body();
  self.destroy_locals(false);
  while (!thread.signals.empty()) self.take_signal();
  self.destroy_locals(true);
  is_inside = true;
  thread.body = nullptr;
  self.end_thread();
}

void Scheduler::destroy_locals(bool trivial) {
  auto& locals = threads_[current_]->locals;
  for (std::size_t i = locals.size(); i-- != 0;) {
    if (locals[i].trivial == trivial) locals[i].destroy(locals[i].object);
  }
}

void Scheduler::end_thread() {
  Thread& thread = *threads_[current_];
  thread.ended = true;
  wake(&thread);
  if (current_ == 0) {
    for (std::size_t i = 1; i < started_; ++i) {
      if (!threads_[i]->ended) fail("the scenario ends before its threads");
    }
    Fiber::switch_between(thread.fiber, own_fiber_);
  }
  current_ = next_thread();
  Fiber::switch_between(thread.fiber, threads_[current_]->fiber);
}

void Scheduler::join(std::size_t number) {
  Thread& thread = *threads_[number];
  while (!thread.ended) block_on(&thread);
  clock().join(thread.clock);
}

void Scheduler::yield() {
  strategy_.yield(current_);
  step();
}

bool Scheduler::signal(std::size_t thread, std::function<void()> handler) {
  if (threads_[thread]->ended) return false;
  threads_[thread]->signals.push_back(std::move(handler));
  return true;
}

void Scheduler::take_signal() {
  auto& signals = threads_[current_]->signals;
  const std::function<void()> handler = std::move(signals.front());
  signals.pop_front();
  const bool was_inside = std::exchange(is_inside, false);
  handler();
  is_inside = was_inside;
}

void Scheduler::stop_within(std::uint32_t within) {
  Thread& thread = *threads_[current_];
  thread.stops_in = within == 0 || !thread.may_stop ? 0 : 1 + strategy_.choose(within);
}

void Scheduler::resume(std::size_t thread) {
  threads_[thread]->stopped = threads_[thread]->may_stop = false;
  threads_[thread]->stops_in = 0;
}

void Scheduler::block_on(const void* object) {
  Thread& thread = *threads_[current_];
  thread.waits_for = object;
  switch_to_next();
  if (thread.waits_for == nullptr) return;
  thread.waits_for = nullptr;  // a signal ended the wait
  take_signal();
}

void Scheduler::wake(const void* object) {
  for (std::size_t i = 0; i < started_; ++i) {
    if (threads_[i]->waits_for == object) threads_[i]->waits_for = nullptr;
  }
}

void Scheduler::step() {
  if (++steps_ > kMostSteps) fail("the schedule does not end: threads wait for each other busily");
  Thread& thread = *threads_[current_];
  if (thread.stops_in != 0 && --thread.stops_in == 0) thread.stopped = true;
  if (!thread.signals.empty() && !thread.stopped && strategy_.signal_comes()) take_signal();
  switch_to_next();
}

void Scheduler::done(Step step) {
  step.thread = threads_[current_]->name.c_str();
  trace_.add(step);
  clock().tick(current_);
}

void Scheduler::note_site(const AtomSite& site) {
  if (!keeps_sites_) return;
  const bool is_known = std::any_of(sites_.begin(), sites_.end(), [&site](const AtomSite& known) {
    return known.is(site.where);
  });
  if (!is_known) sites_.push_back(site);
}

void Scheduler::keep_if_static(void* memory, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  if (address < reinterpret_cast<std::uintptr_t>(&__data_start) ||
      address >= reinterpret_cast<std::uintptr_t>(&_end)) {
    return;
  }
  for (const Static& kept : statics_) {
    if (kept.memory == memory) return;
  }
  Static kept{memory, bytes, 0};
  std::memcpy(&kept.value, memory, bytes);
  statics_.push_back(kept);
}

ThreadSet Scheduler::candidates() const {
  ThreadSet found = 0;
  for (std::size_t i = 0; i < started_; ++i) {
    const Thread& thread = *threads_[i];
    const bool waits = thread.waits_for != nullptr && thread.signals.empty();
    if (!thread.ended && !thread.stopped && !waits) found |= ThreadSet{1} << i;
  }
  return found;
}

std::size_t Scheduler::next_thread() {
  const ThreadSet found = candidates();
  if (found == 0) fail("nobody can run: a wake-up was lost, or a lock is never released");
  return strategy_.choose_thread(found, current_);
}

void Scheduler::switch_to_next() {
  const std::size_t next = next_thread();
  if (next == current_) return;
  Thread& from = *threads_[std::exchange(current_, next)];
  Fiber::switch_between(from.fiber, threads_[next]->fiber);
}

void* Scheduler::find_local(const void* key) const {
  for (const Local& local : threads_[current_]->locals) {
    if (local.key == key) return local.object;
  }
  return nullptr;
}

void Scheduler::add_local(const void* key, void* object, void (*destroy)(void*), bool trivial) {
  threads_[current_]->locals.push_back({key, object, destroy, trivial});
}

void Scheduler::report(std::FILE* to) {
  for (std::size_t i = 0; i < started_; ++i) {
    const Thread& thread = *threads_[i];
    const char* const state = thread.ended                  ? "has ended"
                              : thread.stopped              ? "is stopped"
                              : thread.waits_for != nullptr ? "waits"
                              : i == current_               ? "runs"
                                                            : "can run";
    std::fprintf(to, "  thread %-8s %s\n", thread.name.c_str(), state);
  }
  trace_.print(to);
}

}  // namespace zmqloop::schedule
