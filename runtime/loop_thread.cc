#include "zmqloop/runtime/loop_thread.h"

#include <cstdio>
#include <stdexcept>
#include <utility>


namespace zmqloop {
namespace {

LoopOptions named_loop(const LoopThread::Options& options) {
  LoopOptions loop = options.loop;
  if (!options.name.empty()) loop.name = options.name;
  return loop;
}

}  // namespace

LoopThread::LoopThread(Options options)
    : loop_(named_loop(options)),
      thread_({.name = loop_.name(), .cpu = options.cpu}, [this] { run(); }) {}

LoopThread::LoopThread(std::string name) : LoopThread(Options{.name = std::move(name)}) {}

LoopThread::~LoopThread() {
  if (is_here()) {
    std::fprintf(stderr, "zmqloop: LoopThread '%s' destroyed on its own loop's thread\n",
                 name().c_str());
    std::terminate();
  }
  stop();
}

void LoopThread::run() {
  home_.bind();
  loop_.make_current();
  try {
    loop_.start();
  } catch (const std::exception&) {
    failure_ = std::current_exception();
  }
  report_ = loop_.close();
  IOLoop::clear_current();
  home_.unbind();
}

CloseReport LoopThread::join() {
  if (fork_generation_ != fork_generation()) {
    throw std::logic_error("LoopThread::join: the thread of loop '" + name() +
                           "' is the parent process's; a forked child cannot join it");
  }
  if (is_here()) {
    throw std::logic_error("LoopThread::join: called on the thread of its own loop '" + name() +
                           "', which would wait for itself");
  }
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  return report_;
}

}  // namespace zmqloop
