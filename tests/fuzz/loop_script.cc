// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/fuzz/loop_script.h"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <fcntl.h>
#include <limits>
#include <system_error>

#include "tests/fuzz/outcome.h"

namespace zmqloop::fuzz {
namespace {

constexpr std::size_t kSignalSlots = 4;
constexpr std::size_t kEvents = 4;  // things that are eventfds; the rest are sockets

LoopOptions options_of(PollerKind poller, const TimePoint& now) {
  LoopOptions options;
  options.poller = poller;
  options.name = "fuzzed";
  options.idle_spin = Duration::zero();
  options.signal_slots = kSignalSlots;
  options.clock = [&now] { return now; };
  return options;
}

// The extra load of a post: nothing, or more than fits into its slot.
struct Small {};
using Large = std::array<char, 100>;

bool is_known(Events events) { return events == (events & kAllEvents); }

}  // namespace

// ---- the script ----

LoopScript::LoopScript(PollerKind poller, FuzzInput input)
    : input_(input), loop_(*this, options_of(poller, now_)) {
  for (std::size_t place = 0; place < things_.size(); ++place) {
    if (place < kEvents) {
      things_[place] = std::make_unique<EventThing>();
    } else {
      things_[place] = std::make_unique<SocketThing>();
    }
  }
}

void LoopScript::run() {
  while (!input_.empty()) step();
  run_loop();
  close();
  require_counts();
}

void LoopScript::step() {
  switch (input_.below(15)) {
    case 0:
    case 1:
      return post(any_deed());
    case 2:
      return post_with(Large{}, any_deed());
    case 3:
      return post_from_signal();
    case 4:
    case 5:
      return add_timer();
    case 6:
      return remove_timer();
    case 7:
    case 8:
      return add_handler();
    case 9:
      return update_handler();
    case 10:
      return remove_handler();
    case 11:
      return feed_or_drain();
    case 12:
      return close_or_open();
    case 13:
      now_ += std::chrono::milliseconds(input_.below(4));
      return run_loop();
    default:
      return input_.below(16) == 0 ? close() : stop();
  }
}

void LoopScript::some_steps() {
  for (unsigned left = input_.below(4); left != 0; --left) step();
}

LoopScript::Deed LoopScript::any_deed() {
  constexpr std::array kDeeds = {Deed::kNothing, Deed::kNothing,   Deed::kNothing,
                                 Deed::kThrow,   Deed::kPostAtEnd, Deed::kEscape};
  return kDeeds[input_.below(kDeeds.size())];
}

Events LoopScript::any_events() {
  constexpr std::array kSets = {Events::kRead,
                                Events::kRead | Events::kError,
                                Events::kRead | Events::kWrite,
                                Events::kWrite,
                                Events::kNone,
                                Events{2}};
  return kSets[input_.below(kSets.size())];
}

void LoopScript::do_deed(Deed deed, unsigned run) {
  some_steps();
  switch (deed) {
    case Deed::kNothing:
    case Deed::kPostAtEnd:  // done by its Life
      return;
    case Deed::kEscape:
      escape_ = true;
      [[fallthrough]];
    case Deed::kThrow:
      ++thrown_;
      throw Thrown{};
    case Deed::kOpenRun:
      return post(Deed::kCloseRun, run);
    case Deed::kCloseRun:
      return end_run(run);
  }
}

LoopScript::Life::~Life() {
  if (script_ == nullptr) return;
  --script_->alive_;
  if (deed_ == Deed::kPostAtEnd) script_->post(Deed::kNothing);
}

// ---- posts ----

void LoopScript::post(Deed deed, unsigned run) { post_with(Small{}, deed, run); }

template <class Size>
void LoopScript::post_with(Size size, Deed deed, unsigned run) {
  const unsigned id = next_id_++;
  const bool accepted = loop_.add_callback([this, id, deed, run, life = Life(*this, deed), size] {
    static_cast<void>(size);
    posts_.runs(id);
    do_deed(deed, run);
  });
  require(accepted != closed_, "a post is accepted until the loop is closed");
  accepted ? posts_.accepted(id) : posts_.refused();
}

void LoopScript::post_from_signal() {
  const unsigned id = next_id_++;
  const bool accepted = loop_.add_callback_from_signal([this, id] {
    in_signal_post_ = true;
    signal_posts_.runs(id);
    some_steps();
    in_signal_post_ = false;
  });
  const std::uint64_t waiting = signal_posts_.waiting();
  const bool has_room = waiting + (in_signal_post_ ? 1 : 0) < kSignalSlots;
  require(!accepted || (!closed_ && waiting < kSignalSlots), "a signal post needs a slot");
  require(accepted || closed_ || !has_room, "a signal post is accepted while a slot is free");
  accepted ? signal_posts_.accepted(id) : signal_posts_.refused();
}

// ---- timers ----

void LoopScript::add_timer() {
  using Seconds = std::chrono::duration<double>;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const unsigned choice = input_.below(8);
  const Deed deed = any_deed();
  const unsigned id = next_id_++;
  TimePoint deadline = now_ + std::chrono::milliseconds(choice);
  auto fire = [this, id, deed, life = Life(*this, deed)] { on_timer(id, deed); };
  const Outcome outcome = outcome_of([&] {
    TimeoutHandle handle;
    if (choice == 7) {
      deadline = TimePoint::max();
      handle = loop_.call_later(Seconds(kNan), std::move(fire));
    } else if (choice == 6) {
      deadline = now_ - std::chrono::hours(2);
      handle = loop_.call_at(deadline, std::move(fire));
    } else {
      handle = loop_.add_timeout(deadline - now_, std::move(fire));
    }
    handles_.emplace_back(handle, id);
  });
  require(outcome == (closed_ ? Outcome::kLoopClosed : Outcome::kDone), "timers can be armed");
  if (!closed_) timers_.armed(id, deadline, in_timer_ ? loop_.stats().iterations : 0);
}

void LoopScript::remove_timer() {
  if (handles_.empty()) return loop_.remove_timeout(TimeoutHandle());
  const auto& [handle, id] = handles_[input_.below(256) % handles_.size()];
  timers_.cancelled(id);
  loop_.remove_timeout(handle);
}

void LoopScript::on_timer(unsigned id, Deed deed) {
  struct InTimer {
    bool& flag;
    ~InTimer() { flag = false; }
  } in_timer{in_timer_};
  in_timer_ = true;
  timers_.fires(id, now_, loop_.stats().iterations);
  do_deed(deed);
}

// ---- handlers ----

int LoopScript::descriptor(std::size_t place) {
  return place < kEvents ? things_[place]->pollable().fd() : -1;
}

// Whether the number of a closed thing now belongs to another thing or to libzmq.
bool LoopScript::is_reused(std::size_t place) {
  return !things_[place]->is_open() && ::fcntl(descriptor(place), F_GETFD) != -1;
}

void LoopScript::add_handler() {
  const std::size_t place = any_place();
  const Events events = any_events();
  const Deed deed = any_deed();
  Thing& thing = *things_[place];
  if (is_reused(place)) return;
  const unsigned id = next_id_++;
  const Outcome outcome = outcome_of([&] {
    loop_.add_handler(
        thing.pollable(),
        [this, place, id, deed, life = Life(*this, deed)](Pollable, Events found) {
          on_handler(place, id, found, deed);
        },
        events);
  });
  const Pollable pollable = thing.pollable();
  const Outcome expected = closed_                                     ? Outcome::kLoopClosed
                           : !pollable.is_valid() || !is_known(events) ? Outcome::kInvalidArgument
                           : !thing.is_open()                          ? Outcome::kSystemError
                           : handlers_.has(place)                      ? Outcome::kInvalidArgument
                                                                       : Outcome::kDone;
  require(outcome == expected, "a handler is added once, to what is open");
  if (outcome != Outcome::kDone) return;
  handlers_.found(descriptor(place));
  handlers_.added(place, id, events);
}

void LoopScript::update_handler() {
  const std::size_t place = any_place();
  const Events events = any_events();
  Thing& thing = *things_[place];
  if (is_reused(place)) return;
  const Outcome outcome = outcome_of([&] { loop_.update_handler(thing.pollable(), events); });
  if (!closed_ && handlers_.is_lost(descriptor(place))) {
    require(outcome == Outcome::kSystemError || outcome == Outcome::kInvalidArgument,
            "an update tells of a closed descriptor");
    return;
  }
  const Outcome expected = closed_                                    ? Outcome::kLoopClosed
                           : handlers_.has(place) && is_known(events) ? Outcome::kDone
                                                                      : Outcome::kInvalidArgument;
  require(outcome == expected, "a handler that there is is updated");
  if (outcome == Outcome::kDone) handlers_.updated(place, events);
}

void LoopScript::remove_handler() {
  const std::size_t place = any_place();
  Thing& thing = *things_[place];
  if (is_reused(place)) return;
  handlers_.removed(place);
  handlers_.found(descriptor(place));
  loop_.remove_handler(thing.pollable());
}

void LoopScript::feed_or_drain() {
  const std::size_t place = any_place();
  Thing& thing = *things_[place];
  if (!thing.is_open()) return;
  if (input_.below(2) == 0) return thing.feed();
  handlers_.disturbed(place);
  drained_in_[place] = loop_.stats().iterations;
  thing.drain();
}

void LoopScript::close_or_open() {
  const std::size_t place = any_place();
  Thing& thing = *things_[place];
  if (!thing.is_open()) return thing.open();
  if (handlers_.has(place)) {
    if (!thing.may_vanish()) return;
    handlers_.vanished(place, descriptor(place));
  }
  drained_in_[place] = loop_.stats().iterations;
  thing.close();
}

void LoopScript::on_handler(std::size_t place, unsigned id, Events events, Deed deed) {
  handlers_.called(place, id, events);
  const bool was_readable =
      things_[place]->is_readable() || drained_in_[place] == loop_.stats().iterations;
  require(!any(events & Events::kRead) || was_readable, "what is told to be readable is");
  do_deed(deed);
}

// ---- runs, and the end ----

void LoopScript::stop() {
  stopped_ = true;
  loop_.stop();
}

void LoopScript::run_loop() {
  if (closed_ || loop_.is_running()) {
    const Outcome expected = closed_ ? Outcome::kLoopClosed : Outcome::kLogicError;
    require(outcome_of([this] { loop_.start(); }) == expected, "no start in a run, or after close");
    return;
  }
  begin_run();
  post(Deed::kOpenRun, runs_);
  try {
    loop_.start();
  } catch (const Thrown&) {
    timers_.leave_over();
  }
  stopped_ = false;
}

void LoopScript::begin_run() {
  ++runs_;
  timers_.run_begins(now_);
  for (std::size_t place = 0; place < things_.size(); ++place) {
    handlers_.run_begins(place, things_[place]->is_readable());
  }
}

// Comes after one whole iteration, unless something else ends the run.
void LoopScript::end_run(unsigned run) {
  if (run == runs_ && !stopped_) {
    timers_.require_none_owed();
    handlers_.require_none_owed();
  }
  stop();
}

void LoopScript::close() {
  if (loop_.is_running()) {
    const auto close_loop = [this] { loop_.close(); };
    require(outcome_of(close_loop) == Outcome::kLogicError, "a running loop is not closed");
    return;
  }
  const bool all_fds = input_.below(2) == 1 && handlers_.none_lost();
  const bool was_closed = std::exchange(closed_, true);
  const CloseReport report = loop_.close(all_fds);
  if (was_closed) return require(report == CloseReport{}, "a loop is closed once");
  require(report.callbacks_abandoned == posts_.waiting() + signal_posts_.waiting(),
          "close() counts the posts that were not run");
  require(report.timers_abandoned == timers_.armed(), "close() counts the timers");
  require(report.handlers_removed >= handlers_.size() &&
              report.handlers_removed <= handlers_.size() + handlers_.lost(),
          "close() counts the handlers");
  for (std::size_t place = 0; all_fds && place < things_.size(); ++place) {
    if (handlers_.has(place)) things_[place]->was_closed();
  }
  posts_.abandoned();
  signal_posts_.abandoned();
  timers_.abandoned();
  handlers_.abandoned();
}

void LoopScript::Loop::handle_callback_exception(std::exception_ptr error) {
  script_.on_exception(std::move(error));
}

void LoopScript::on_exception(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Thrown&) {
    ++reported_;
    if (std::exchange(escape_, false)) throw;
  } catch (const std::system_error& closed) {
    require(closed.code().value() == EBADF, "the loop reports closed descriptors");
    handlers_.reported_loss();
    ++losses_reported_;
  }
}

void LoopScript::require_counts() const {
  const LoopStats stats = loop_.stats();
  require(alive_ == 0, "every callable is destroyed");
  require(reported_ == thrown_, "every exception is reported");
  require(stats.callback_exceptions == reported_ + losses_reported_, "exceptions are counted");
  require(stats.callbacks_run == posts_.run() + signal_posts_.run(), "posts are counted");
  require(stats.timers_fired == timers_.fired(), "timers are counted");
  require(stats.handlers_dispatched == handlers_.calls(), "calls of handlers are counted");
  require(stats.posts_refused == posts_.refusals(), "refused posts are counted");
  require(stats.signal_posts_refused == signal_posts_.refusals(), "so are those of signals");
  require(stats.pending == 0, "nothing is left behind");
}

}  // namespace zmqloop::fuzz
