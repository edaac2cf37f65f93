// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <cerrno>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <system_error>

#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/runtime/core/loop_core.h"

namespace zmqloop {
namespace {

// Warn after this many consecutive calls of a handler whose descriptor is in error.
constexpr std::uint32_t kPatienceWithErrors = 1000;

}  // namespace

// Phase 4. Some events are reported only once: an exception that ends the run must not lose them.
void LoopCore::dispatch(std::span<const Ready> ready) {
  // Sockets that stay ready get an equal share of the time each.
  if (socket_budget_ > 1 && !ready.empty()) {
    socket_time_ = turn_budget_ / static_cast<Duration::rep>(ready.size());
  }
  try {
    while (!ready.empty()) {
      const Ready& event = ready.front();
      ready = ready.subspan(1);
      if (event.token == kInternalToken) {
        drain_doorbell(event);
      } else if (event.error != 0) {
        end_registration(event);
      } else if (HandlerTable::Entry* entry = handlers_.find(event.token)) {
        const bool is_socket = entry->pollable.is_socket();
        if (!entry->is_busy) dispatch_to(*entry, event.events, is_socket ? socket_budget_ : 1);
      }
      if (mailbox_.poisoned()) return;
    }
  } catch (...) {
    undispatched_ = ready;
    throw;
  }
}

// Handles the ends of registrations among the events left over, before the next wait overwrites
// them. That wait reports all other events again.
void LoopCore::dispatch_ends() {
  while (!undispatched_.empty()) {
    const Ready event = undispatched_.front();
    undispatched_ = undispatched_.subspan(1);
    if (event.error != 0) end_registration(event);
  }
}

void LoopCore::dispatch_to(HandlerTable::Entry& entry, Events found, std::size_t most_calls) {
  const Pollable pollable = entry.pollable;
  const std::uint64_t token = entry.token;
  Events events = found & (entry.events | Events::kError);
  TurnClock turn;
  if (most_calls > 1) turn.begin(now(), 0);
  for (std::size_t calls = 0; any(events);) {
    handlers_dispatched_.add();
    const auto call = [&] {
      stalls_.watched(*entry.type, [&] { handlers_.call(entry, pollable, events); });
    };
    const auto report = [this, token] { report_handler(token); };
    // Before the call, which may remove the entry.
    entry.calls_in_error = any(events & Events::kError) ? entry.calls_in_error + 1 : 0;
    const bool left_alone = entry.calls_in_error == kPatienceWithErrors;
    const bool threw_before = entry.throws != 0;
    if (!returned(call, report)) return;
    if (left_alone) [[unlikely]]
      warn_of_error_left_alone(token);
    if (threw_before) [[unlikely]]
      forget_throws(token);
    if (++calls >= most_calls || mailbox_.poisoned()) return;
    const HandlerTable::Entry* const still = handlers_.find(token);
    if (still == nullptr || still->is_busy) return;
    if (turn.is_due() && turn.is_over(now(), calls, socket_time_)) return;
    events = poller_->ready_now(pollable);
    if (any(events & Events::kError)) return;  // the next wait reports it
  }
}

// A level-triggered handler that throws is called again in the next turn, and most often throws
// again. From its second consecutive exception on, the limit for stalls applies to its reports.
void LoopCore::report_handler(std::uint64_t token) {
  HandlerTable::Entry* const entry = handlers_.find(token);
  const bool again = entry != nullptr && entry->throws++ != 0;
  const TimePoint time = again ? Clock::now() : kAtOnce;
  if (again && !handler_reports_.has_room(time)) {
    handler_reports_.suppress();
    exceptions_suppressed_.add();
    return;
  }
  const std::uint64_t suppressed = again ? handler_reports_.use(time) : 0;
  sink_.on_user_exception(std::current_exception(), handlers_.called_type(), suppressed);
}

void LoopCore::forget_throws(std::uint64_t token) noexcept {
  if (HandlerTable::Entry* const entry = handlers_.find(token)) entry->throws = 0;
}

// The poller reports such a descriptor in each turn, until its registration ends or the data that
// is left is read.
void LoopCore::warn_of_error_left_alone(std::uint64_t token) {
  const HandlerTable::Entry* const entry = handlers_.find(token);
  if (entry == nullptr || mailbox_.poisoned()) return;
  const Pollable& pollable = entry->pollable;
  int unread = 0;
  if (::ioctl(pollable.fd(), FIONREAD, &unread) == 0 && unread > 0) return;
  const std::string what =
      "IOLoop: " + pollable.describe() + " has been in error, or hung up, for " +
      std::to_string(kPatienceWithErrors) +
      " calls of its handler, with nothing left to read: the loop is spinning; the "
      "handler should call remove_handler and close it";
  sink_.on_user_exception(std::make_exception_ptr(std::runtime_error(what)),
                          handlers_.called_type(), 0);
}

// The poller has dropped a registration: either the socket's context was terminated (ETERM), or the
// descriptor or socket was closed while registered.
void LoopCore::end_registration(const Ready& event) {
  HandlerTable::Entry* const entry = handlers_.find(event.token);
  if (entry == nullptr) return;
  const Pollable pollable = entry->pollable;
  if (event.error == ETERM) {
    struct Drop {  // also if the handler's exception leaves the loop
      HandlerTable& handlers;
      const Pollable& pollable;
      std::uint64_t token;
      ~Drop() {
        if (handlers.find(token) != nullptr) handlers.remove(pollable);
      }
    } drop{handlers_, pollable, event.token};
    dispatch_to(*entry, Events::kError, 1);
    return;
  }
  const std::type_info& type = *entry->type;
  handlers_.remove(pollable);
  const std::string what = "IOLoop: dropped the handler of " + event.pollable.describe() +
                           ", which was closed while registered; call remove_handler first";
  sink_.on_user_exception(
      std::make_exception_ptr(std::system_error(event.error, std::generic_category(), what)),
      &type, 0);
}

void LoopCore::drain_doorbell(const Ready& event) {
  if (event.pollable == Pollable(waker_.fd())) {
    waker_.drain();
  } else {
    signal_doorbell_.drain();
  }
}

}  // namespace zmqloop
