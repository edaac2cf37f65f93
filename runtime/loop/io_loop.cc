// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/loop/io_loop.h"

#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/basics/exception_report.h"
#include "zmqloop/runtime/core/idle_spin.h"
#include "zmqloop/threading/host/backoff.h"
#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop {
namespace {

std::atomic<PollerKind> configured_kind{PollerKind::kEpoll};

std::uint64_t next_loop_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// Cores that are never destroyed stay reachable, so that leak checkers do not report them.
struct LeftCore {
  const std::shared_ptr<LoopCore> core;
  LeftCore* next;
};
constinit std::atomic<LeftCore*> left_cores{nullptr};

void leave_for_good(std::shared_ptr<LoopCore> core) {
  LeftCore* const left = new LeftCore{std::move(core), left_cores};
  while (!left_cores.compare_exchange_weak(left->next, left)) continue;
}

}  // namespace

PollerKind configured_poller() noexcept { return configured_kind; }

void IOLoop::configure(PollerKind kind) { configured_kind = kind; }

// Sets a run up and ends it: thread affinity, the current loop, the count of running loops.
class IOLoop::RunScope {
 public:
  RunScope(IOLoop& loop, const char* operation) : loop_(loop) {
    loop.core_->affinity().require_process(operation);
    loop.core_->affinity().require_owner(operation);
    if (const IOLoop* const other = CurrentLoop::running()) {
      throw std::logic_error(absl::StrCat(operation, ": loop '", other->name(),
                                          "' runs already on ", current_thread_label()));
    }
    counted_.emplace();
    loop.core_->affinity().take_to_run(operation);
    current_.emplace(loop, loop.entry_.reference());
    loop.core_->stalls().begin_run();
    stopped_before_ = loop.core_->clear_stop();
  }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;
  ~RunScope() {
    loop_.core_->stalls().end_run();
    current_.reset();
    loop_.core_->affinity().end_run();
  }

  // Returns whether a stop was latched: then the run is over before it began.
  bool stopped_before() const { return stopped_before_; }

  // If an exception ends the run, a stop during it stays latched for the next run.
  void run(const bool& done) {
    loop_.core_->run(done);
    loop_.core_->clear_stop();
    loop_.core_->affinity().require_process("IOLoop::start");
  }

 private:
  IOLoop& loop_;
  std::optional<CurrentLoop::Running> current_;
  std::optional<RunningLoop> counted_;
  bool stopped_before_ = false;
};

IOLoop::IOLoop(Options options) : IOLoop(std::move(options), LoopAffinity::Owner::kUser) {}

IOLoop::IOLoop(Options options, LoopAffinity::Owner owner)
    : IOLoop(std::move(options), owner, next_loop_id()) {}

IOLoop::IOLoop(Options options, LoopAffinity::Owner owner, std::uint64_t id)
    : LoopInlet(std::make_shared<LoopCore>(
          options, options.name.empty() ? absl::StrCat("loop-", id) : options.name, owner,
          static_cast<ExceptionSink&>(*this))),
      id_(id),
      poller_kind_(options.poller) {
  const auto threshold =
      checked_threshold("IOLoop::Options::blocking_threshold", options.blocking_threshold);
  if (!threshold) return;
  StallAction action = options.on_stall ? std::move(options.on_stall) : &IOLoop::log_stack;
  core_->stalls().enable(name(), *threshold, std::move(action));
}

IOLoop::~IOLoop() {
  LoopAffinity& affinity = core_->affinity();
  // If this thread has called exit() while the loop runs here, a callable did so, and the loop
  // never goes on.
  const bool has_called_exit = affinity.is_running() && CurrentLoop::thread_has_ended();
  const bool is_exiting = has_called_exit && affinity.is_here();
  if (has_called_exit && !is_exiting) end_run_at_exit();
  if (affinity.is_running() && !is_exiting) {
    write_error(absl::StrCat("zmqloop: IOLoop '", name(), "' destroyed while it runs on ",
                             affinity.thread_label(), "; stop it first\n"));
    std::terminate();
  }
  entry_.leave();
  CurrentLoop::forget_instance(*this);
  if (is_exiting || affinity.is_foreign()) {
    if (affinity.is_foreign()) core_->release_descriptors();
    if (is_exiting) core_->stalls().disable();  // this last stall is not reported
    leave_for_good(core_);  // its contents run, or are the parent's: not to be destroyed twice
    return;
  }
  close_and_report("IOLoop::~IOLoop", false);
}

// This thread has called exit() while the loop runs on another one, which must not go on after the
// run: it would end the process a second time, with a status of its own.
void IOLoop::end_run_at_exit() noexcept {
  core_->affinity().keep_after_run();
  stop();
  for (Backoff backoff; core_->affinity().is_running();) backoff.step();
}

void IOLoop::install() {
  core_->affinity().require_process("IOLoop::install");
  if (!CurrentLoop::install(*this)) {
    throw std::logic_error("IOLoop::install: loop '" + CurrentLoop::instance_or_null()->name() +
                           "' is the instance already; call IOLoop::clear_instance() first");
  }
}

IOLoop& IOLoop::current() {
  IOLoop* const loop = current_or_null();
  return loop != nullptr ? *loop : instance();
}

LoopStats IOLoop::stats() const noexcept {
  LoopStats stats = core_->stats();
  stats.callback_exceptions = callback_exceptions_.get() + stats.exceptions_suppressed;
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
    throw StoppedError("IOLoop::run_sync: loop '" + name() + "' was told to stop before it began");
  }
  struct End {
    IOLoop& loop;
    SyncCallBase& call;
    TimeoutHandle timer;
    ~End() {
      call.end();
      if (!loop.core_->affinity().is_foreign()) loop.core_->timers().cancel(timer.timer_);
    }
  } end{*this, *call, {}};
  if (limit.value()) {
    end.timer = add_timeout(*limit.value(), [call] { call->time_out(); });
  }
  static_cast<void>(core_->post([this, call] { call->begin(core_); }));
  scope.run(call->ended());
  if (call->timed_out()) {
    const double seconds = std::chrono::duration<double>(*limit.value()).count();
    throw TimeoutError(absl::StrCat("IOLoop::run_sync: timed out after ", seconds, " s"));
  }
  if (!call->ended()) {
    throw StoppedError("IOLoop::run_sync: loop '" + name() +
                       "' was stopped before the function had completed");
  }
}

[[noreturn, gnu::noinline]] static void throw_others_handle(const std::string& loop_name) {
  throw std::invalid_argument("IOLoop::remove_timeout: the handle is another loop's, not of '" +
                              loop_name + "'");
}

void IOLoop::remove_timeout(TimeoutHandle handle) {
  if (handle == TimeoutHandle()) return;
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::remove_timeout",
                                    LoopAffinity::AfterClose::kNothing);
  if (!access.is_granted()) return;
  if (handle.loop_ != id_) throw_others_handle(name());
  core_->timers().cancel(handle.timer_);
}

void IOLoop::add_erased_handler(Pollable pollable, Handler handler, Events events,
                                const std::type_info& type) {
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::add_handler");
  core_->add_handler(pollable, events, type, std::move(handler));
}

void IOLoop::update_handler(Pollable pollable, Events events) {
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::update_handler");
  HandlerTable::Entry* const entry = core_->handlers().find(pollable);
  if (entry == nullptr) {
    throw std::invalid_argument("IOLoop::update_handler: " + pollable.describe() +
                                " has no handler on loop '" + name() + "'");
  }
  core_->poller().modify(pollable, events, "IOLoop::update_handler");
  entry->events = events;
}

void IOLoop::remove_handler(Pollable pollable) {
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::remove_handler",
                                    LoopAffinity::AfterClose::kNothing);
  if (access.is_granted()) core_->remove_handler(pollable);
}

bool IOLoop::remove_signal_handler(int signum) {
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::remove_signal_handler",
                                    LoopAffinity::AfterClose::kNothing);
  return access.is_granted() && signal_handlers_.remove(signum);
}

void IOLoop::touch(Pollable pollable) {
  const LoopAffinity::Access access(core_->affinity(), "IOLoop::touch");
  core_->poller().touch(pollable, "IOLoop::touch");
}

CloseReport IOLoop::close(bool all_fds) {
  if (!core_->affinity().is_foreign()) core_->affinity().require_owner("IOLoop::close");
  return close_and_report("IOLoop::close", all_fds);
}

CloseReport IOLoop::close_and_report(const char* operation, bool all_fds) {
  const CancellationHold hold;  // not cancelled halfway
  LoopAffinity& affinity = core_->affinity();
  if (affinity.is_foreign()) {
    core_->release_descriptors();
    return {};
  }
  // False: closed already, or being closed by another thread, or by an outer close() that runs a
  // destructor.
  if (!affinity.take_to_close(operation)) return {};
  struct End {
    LoopAffinity& affinity;
    ~End() { affinity.end_close(); }
  } end{affinity};
  const CloseReport report = core_->close(all_fds);
  signal_handlers_.clear();
  return report;
}

void IOLoop::handle_callback_exception(std::exception_ptr error) {
  report_exception(name(), failed_callable_, std::move(error), suppressed_);
}

void IOLoop::on_user_exception(std::exception_ptr error, const std::type_info* callable,
                               std::uint64_t suppressed) {
  struct Handling {
    IOLoop& loop;
    ~Handling() { loop.failed_callable_ = nullptr; }
  } handling{*this};
  callback_exceptions_.add();
  suppressed_ = suppressed;
  failed_callable_ = callable;
  handle_callback_exception(std::move(error));
}

}  // namespace zmqloop
