#include "zmqloop/runtime/io_loop.h"

#include <cstdio>
#include <exception>
#include <optional>
#include <sched.h>
#include <stdexcept>

#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/exception_text.h"
#include "zmqloop/runtime/idle_spin.h"
#include "zmqloop/runtime/type_name.h"
#include "zmqloop/threading/thread_label.h"

namespace zmqloop {
namespace {

std::atomic<PollerKind> configured_kind{PollerKind::kEpoll};

std::uint64_t next_loop_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

PollerKind configured_poller() noexcept { return configured_kind; }

void IOLoop::configure(PollerKind kind) { configured_kind = kind; }

// What a run needs and leaves behind: thread affinity, the current loop, the count of running
// loops.
class IOLoop::RunScope {
 public:
  RunScope(IOLoop& loop, const char* operation) : loop_(loop) {
    loop.require_process(operation);
    if (const IOLoop* const other = CurrentLoop::running()) {
      throw std::logic_error(absl::StrCat(operation, ": loop '", other->name_, "' runs already on ",
                                          current_thread_label()));
    }
    counted_.emplace();
    const State before = loop.take(State::kStarting);
    if (before == State::kRunning) loop.throw_running(operation);
    if (before == State::kClosed) {
      throw LoopClosedError(absl::StrCat(operation, ": loop '", loop.name_, "' is closed"));
    }
    loop.affinity_.bind();
    loop.state_ = State::kRunning;
    current_.emplace(loop.identity_);
    loop.core_->stalls().begin_run();
    stopped_before_ = loop.core_->clear_stop();
  }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;
  ~RunScope() {
    loop_.core_->stalls().end_run();
    current_.reset();
    if (loop_.fork_guard_.is_foreign()) return;
    loop_.affinity_.unbind();
    loop_.state_ = State::kIdle;  // last: now another thread may run or close it
  }

  // Whether a stop was latched: then the run is over before it began.
  bool stopped_before() const { return stopped_before_; }

  void run(const bool& done) {
    struct ClearStop {
      LoopCore& core;
      ~ClearStop() { core.clear_stop(); }
    } clear_stop{*loop_.core_};
    loop_.core_->run(done);
    loop_.require_process("IOLoop::start");
  }

 private:
  IOLoop& loop_;
  std::optional<CurrentLoop::Running> current_;
  std::optional<RunningLoop> counted_;
  bool stopped_before_ = false;
};

IOLoop::IOLoop(Options options) : IOLoop(std::move(options), next_loop_id()) {}

IOLoop::IOLoop(Options options, std::uint64_t id)
    : LoopInlet(std::make_shared<LoopCore>(options, static_cast<ExceptionSink&>(*this)),
                options.name.empty() ? absl::StrCat("loop-", id) : options.name),
      id_(id),
      poller_kind_(options.poller),
      identity_(std::make_shared<LoopIdentity>(*this)) {}

IOLoop::~IOLoop() {
  if (is_running()) {
    std::fprintf(stderr, "zmqloop: IOLoop '%s' destroyed while it runs on %s; stop it first\n",
                 name_.c_str(), affinity_.bound_label().c_str());
    std::terminate();
  }
  identity_->forget();
  CurrentLoop::forget_instance(*this);
  if (fork_guard_.is_foreign()) {
    core_->release_descriptors();
    // Leaked on purpose: the callables in it are the parent's, and not to be destroyed twice.
    static_cast<void>(new std::shared_ptr<LoopCore>(core_));
    return;
  }
  close();
}

void IOLoop::install() {
  require_process("IOLoop::install");
  if (!CurrentLoop::install(*this)) {
    throw std::logic_error("IOLoop::install: loop '" + CurrentLoop::instance_or_null()->name_ +
                           "' is the instance already; call IOLoop::clear_instance() first");
  }
}

IOLoop& IOLoop::current() {
  IOLoop* const loop = current_or_null();
  return loop != nullptr ? *loop : instance();
}

LoopStats IOLoop::stats() const noexcept {
  LoopStats stats = core_->stats();
  stats.callback_exceptions = callback_exceptions_.get();
  return stats;
}

void IOLoop::start() {
  RunScope scope(*this, "IOLoop::start");
  if (scope.stopped_before()) return;
  const bool never = false;
  scope.run(never);
}

void IOLoop::run_call(const std::shared_ptr<SyncCallBase>& call, const TimeLimit& limit) {
  RunScope scope(*this, "IOLoop::run_sync");
  if (scope.stopped_before()) {
    throw StoppedError("IOLoop::run_sync: loop '" + name_ + "' was told to stop before it began");
  }
  struct End {
    IOLoop& loop;
    SyncCallBase& call;
    TimeoutHandle timer;
    ~End() {
      call.end();
      if (!loop.fork_guard_.is_foreign()) loop.core_->timers().cancel(timer.timer_);
    }
  } end{*this, *call, {}};
  static_cast<void>(core_->post([this, call] { call->begin(core_, name_); }));
  if (limit.value()) {
    end.timer = add_timeout(*limit.value(), [call] { call->time_out(); });
  }
  scope.run(call->ended());
  if (call->timed_out()) {
    const double seconds = std::chrono::duration<double>(*limit.value()).count();
    throw TimeoutError(absl::StrCat("IOLoop::run_sync: timed out after ", seconds, " s"));
  }
  if (!call->ended()) {
    throw StoppedError("IOLoop::run_sync: loop '" + name_ +
                       "' was stopped before the function had completed");
  }
}

void IOLoop::remove_timeout(TimeoutHandle handle) {
  if (handle == TimeoutHandle()) return;
  require_process("IOLoop::remove_timeout");
  affinity_.check("IOLoop::remove_timeout", name_);
  if (handle.loop_ != id_) {
    throw std::invalid_argument("IOLoop::remove_timeout: the handle is another loop's, not of '" +
                                name_ + "'");
  }
  core_->timers().cancel(handle.timer_);
}

void IOLoop::add_erased_handler(Pollable pollable, Handler handler, Events events,
                                const std::type_info& type) {
  require_usable("IOLoop::add_handler");
  HandlerTable& handlers = core_->handlers();
  auto entry = std::make_unique<HandlerTable::Entry>(
      HandlerTable::Entry{pollable, events, handlers.prepare_add(), &type, std::move(handler)});
  core_->poller().add(pollable, events, entry->token);
  handlers.add(std::move(entry));
}

void IOLoop::update_handler(Pollable pollable, Events events) {
  require_usable("IOLoop::update_handler");
  HandlerTable::Entry* const entry = core_->handlers().find(pollable);
  if (entry == nullptr) {
    throw std::invalid_argument("IOLoop::update_handler: " + pollable.describe() +
                                " has no handler on loop '" + name_ + "'");
  }
  core_->poller().modify(pollable, events);
  entry->events = events;
}

void IOLoop::remove_handler(Pollable pollable) {
  require_process("IOLoop::remove_handler");
  affinity_.check("IOLoop::remove_handler", name_);
  if (core_->handlers().find(pollable) == nullptr) return;
  core_->poller().remove(pollable);
  core_->handlers().remove(pollable);
}

bool IOLoop::remove_signal_handler(int signum) {
  require_process("IOLoop::remove_signal_handler");
  affinity_.check("IOLoop::remove_signal_handler", name_);
  return signal_handlers_.remove(signum);
}

void IOLoop::touch(Pollable pollable) {
  require_usable("IOLoop::touch");
  core_->poller().touch(pollable);
}

CloseReport IOLoop::close(bool all_fds) {
  if (fork_guard_.is_foreign()) {
    core_->release_descriptors();
    return {};
  }
  const State before = take(State::kClosed);
  if (before == State::kRunning) throw_running("IOLoop::close");
  if (before == State::kClosed) return {};  // or another thread, or a destructor below us, is at it
  affinity_.bind();
  struct Unbind {
    ThreadChecker& affinity;
    ~Unbind() { affinity.unbind(); }
  } unbind{affinity_};
  const CloseReport report = core_->close(all_fds);
  signal_handlers_.clear();
  return report;
}

void IOLoop::handle_callback_exception(std::exception_ptr error) {
  std::fprintf(stderr, "zmqloop: loop '%s': exception in callback %s: %s\n", name_.c_str(),
               type_name(failed_callable_).c_str(), exception_text(std::move(error)).c_str());
}

void IOLoop::require_process(const char* operation) const {
  if (!fork_guard_.is_foreign()) return;
  throw std::logic_error(absl::StrCat(operation, ": loop '", name_,
                                      "' belongs to the parent process; a forked child must make "
                                      "its own"));
}

// Takes the loop from rest into `next`; returns what it was, nothing having changed if not at rest.
IOLoop::State IOLoop::take(State next) noexcept {
  for (;;) {
    State before = State::kIdle;
    if (state_.compare_exchange_strong(before, next) || before != State::kStarting) return before;
    sched_yield();  // another thread is about to run it: some instructions
  }
}

void IOLoop::throw_running(const char* operation) const {
  throw std::logic_error(absl::StrCat(operation, ": loop '", name_, "' runs on ",
                                      affinity_.bound_label(), "; called on ",
                                      current_thread_label(), ". Stop it first."));
}

void IOLoop::require_usable(const char* operation) const {
  require_process(operation);
  affinity_.check(operation, name_);
  if (state_ == State::kClosed)
    throw LoopClosedError(absl::StrCat(operation, ": loop '", name_, "' is closed"));
}

void IOLoop::on_user_exception(std::exception_ptr error, const std::type_info* callable) {
  callback_exceptions_.add();
  failed_callable_ = callable;
  handle_callback_exception(std::move(error));
}

}  // namespace zmqloop
