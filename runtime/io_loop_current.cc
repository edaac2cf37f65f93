#include <mutex>
#include <stdexcept>
#include <utility>

#include "zmqloop/runtime/current_loop.h"
#include "zmqloop/runtime/io_loop.h"
#include "zmqloop/threading/fork_guard.h"
#include "zmqloop/threading/thread_role.h"

namespace zmqloop {
namespace {

struct OfThisThread {
  std::shared_ptr<LoopIdentity> running;
  std::shared_ptr<LoopIdentity> current;
  std::uint32_t running_in_process = 0;  // a forked child copies `running` without running it
};

OfThisThread& of_this_thread() {
  thread_local OfThisThread state;
  return state;
}

std::mutex instance_mutex;
std::atomic<IOLoop*> the_instance{nullptr};  // read without the mutex, written under it
bool instance_made_on_demand = false;        // under the mutex

}  // namespace

IOLoop* CurrentLoop::running() noexcept {
  const OfThisThread& state = of_this_thread();
  if (state.running == nullptr || state.running_in_process != fork_generation()) return nullptr;
  return state.running->loop();
}

IOLoop* CurrentLoop::get() noexcept {
  if (IOLoop* const loop = running()) return loop;
  const OfThisThread& state = of_this_thread();
  return state.current == nullptr ? nullptr : state.current->loop();
}

void CurrentLoop::set(std::shared_ptr<LoopIdentity> loop) noexcept {
  of_this_thread().current = std::move(loop);
}

CurrentLoop::Running::Running(std::shared_ptr<LoopIdentity> loop)
    : previous_(of_this_thread().current) {
  OfThisThread& state = of_this_thread();
  state.current = loop;
  state.running = std::move(loop);
  state.running_in_process = fork_generation();
  ThreadRole::set_loop_name(state.running->loop()->name().c_str());
}

CurrentLoop::Running::~Running() {
  OfThisThread& state = of_this_thread();
  state.current = std::move(previous_);
  state.running = nullptr;
  ThreadRole::set_loop_name(nullptr);
}

IOLoop& CurrentLoop::instance() {
  if (IOLoop* const loop = the_instance) return *loop;
  return instance(LoopOptions());
}

IOLoop& CurrentLoop::instance(const LoopOptions& options) {
  const std::lock_guard lock(instance_mutex);
  if (the_instance == nullptr) {
    the_instance = new IOLoop(options);
    instance_made_on_demand = true;
  }
  return *the_instance;
}

IOLoop* CurrentLoop::instance_or_null() noexcept { return the_instance; }

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
  if (the_instance != &loop) return;  // most loops: no lock in a destructor for nothing
  const std::lock_guard lock(instance_mutex);
  if (the_instance != &loop) return;
  the_instance = nullptr;
  instance_made_on_demand = false;
}

}  // namespace zmqloop
