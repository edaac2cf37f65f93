// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "zmqloop/runtime/loop/current_loop.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/fork_proof_mutex.h"
#include "zmqloop/threading/mailbox/primitives.h"
#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop {
namespace {

constinit Registry<IOLoop> loops;

// Trivially destructible, because destructors of other thread-locals read it after all else is
// gone.
struct OfThisThread {
  LoopReference running;
  LoopReference current;
  bool has_ended = false;
};

OfThisThread& of_this_thread() noexcept { return per_thread<OfThisThread>(); }

// Notes that the thread ends, or has called exit(). A loop that runs on it then never goes on, and
// the destructors still to come may run other loops.
struct AtThreadEnd {
  ~AtThreadEnd() {
    of_this_thread().has_ended = true;
    of_this_thread().running = {};
    ThreadRole::set_loop_name(nullptr);
  }
};

constinit ForkProofMutex instance_mutex;
constinit std::atomic<IOLoop*> the_instance{nullptr};  // read without the mutex
constinit bool instance_made_on_demand = false;        // under the mutex

// In a child: the parent's loops run, and are current, in the parent only; its instance is not the
// child's.
[[maybe_unused]] const ForkGuard& forget_parents_loops = ForkGuard::for_good([](void*) noexcept {
  ThreadRole::set_loop_name(nullptr);
  the_instance = nullptr;
  of_this_thread().running = {};
  of_this_thread().current = {};
});

}  // namespace

LoopEntry::LoopEntry(IOLoop& loop) : place_(&loops.enter(loop)) {}

void LoopEntry::leave() noexcept {
  if (place_ != nullptr) loops.leave(*std::exchange(place_, nullptr));
}

IOLoop* CurrentLoop::running() noexcept {
  static_cast<void>(fork_generation());  // a child may notice the fork here, and runs none
  return of_this_thread().running.get();
}

IOLoop* CurrentLoop::get() noexcept {
  IOLoop* const loop = running();
  return loop != nullptr ? loop : of_this_thread().current.get();
}

void CurrentLoop::set(LoopReference loop) noexcept { of_this_thread().current = loop; }

CurrentLoop::Running::Running(IOLoop& loop, LoopReference reference)
    : previous_(of_this_thread().current), generation_(fork_generation()) {
  watch_thread();
  OfThisThread& state = of_this_thread();
  state.current = reference;
  state.running = reference;
  ThreadRole::set_loop_name(loop.name().c_str());
}

CurrentLoop::Running::~Running() {
  if (generation_ != fork_generation()) return;
  OfThisThread& state = of_this_thread();
  state.current = previous_;
  state.running = {};
  ThreadRole::set_loop_name(nullptr);
}

void CurrentLoop::watch_thread() {
  if (!of_this_thread().has_ended) static_cast<void>(per_thread<AtThreadEnd>());
}

bool CurrentLoop::thread_has_ended() noexcept { return of_this_thread().has_ended; }

IOLoop& CurrentLoop::instance() {
  IOLoop* const loop = instance_or_null();
  return loop != nullptr ? *loop : instance(LoopOptions());
}

IOLoop& CurrentLoop::instance(const LoopOptions& options) {
  const std::lock_guard lock(instance_mutex);
  if (the_instance == nullptr) {
    the_instance = new IOLoop(options);
    instance_made_on_demand = true;
  }
  return *the_instance;
}

IOLoop* CurrentLoop::instance_or_null() noexcept {
  static_cast<void>(fork_generation());  // a child may notice the fork here, and has none
  return the_instance;
}

bool CurrentLoop::install(IOLoop& loop) {
  const std::lock_guard lock(instance_mutex);
  if (the_instance == &loop) return true;
  if (the_instance != nullptr) return false;
  the_instance = &loop;
  instance_made_on_demand = false;
  return true;
}

void CurrentLoop::clear_instance() {
  std::unique_ptr<IOLoop> made_on_demand;  // destroyed after the mutex is released
  const std::lock_guard lock(instance_mutex);
  if (the_instance == nullptr) return;
  if (instance_made_on_demand) {
    if (the_instance.load()->is_running()) {
      throw std::logic_error("IOLoop::clear_instance: loop '" + the_instance.load()->name() +
                             "' is running; stop it first");
    }
    made_on_demand.reset(the_instance);
  }
  the_instance = nullptr;
  instance_made_on_demand = false;
}

void CurrentLoop::forget_instance(const IOLoop& loop) noexcept {
  if (the_instance != &loop) return;  // most loops are not: spare their destructors the lock
  const std::lock_guard lock(instance_mutex);
  if (the_instance != &loop) return;
  the_instance = nullptr;
  instance_made_on_demand = false;
}

}  // namespace zmqloop
