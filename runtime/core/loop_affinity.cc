// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/core/loop_affinity.h"

#include <stdexcept>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/threading/host/backoff.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop {

void LoopAffinity::require_process(const char* operation) const {
  if (!is_foreign()) return;
  throw std::logic_error(absl::StrCat(operation, ": loop '", name_,
                                      "' belongs to the parent process; a forked child must make "
                                      "its own"));
}

void LoopAffinity::require_owner(const char* operation) const {
  if (state_ != State::kClosed && is_owned_elsewhere()) {
    throw_wrong_thread(operation,
                       "That thread runs and closes it; give it work by add_callback() or submit(), "
                       "and end it by stop() and join().");
  }
}

// Enters a loop that enter() could not enter at once. Retries while the loop is kHeld: within a few
// instructions another thread takes it or lets it go, see try_use().
LoopAffinity::Access::Kind LoopAffinity::open(const char* operation, AfterClose after_close) {
  using Kind = Access::Kind;
  require_process(operation);
  for (Backoff backoff;; backoff.step()) {
    if (const Kind kind = enter(); kind != Kind::kNone) return kind;
    if (state_ == State::kClosed) {
      if (after_close == AfterClose::kThrows) throw_closed(operation);
      return is_here() ? Kind::kOwn : Kind::kNone;  // the closing thread may remove the rest
    }
    if (is_here()) return Kind::kOwn;
    if (owner_ == Owner::kItsThread || thread_.is_bound()) {
      throw_wrong_thread(operation, owner_ == Owner::kUser
                                        ? "Post a callback to it instead (add_callback)."
                                        : "Post a callback to it instead (add_callback), or set it up "
                                          "by options or in on_thread_start.");
    }
    if (is_set_up_here()) return Kind::kOwn;  // within another such call
  }
}

void LoopAffinity::take_to_run(const char* operation) {
  require_process(operation);
  require_owner(operation);
  const State before = take(State::kHeld);
  if (before == State::kRunning) throw_running(operation);
  if (before == State::kClosed) throw_closed(operation);
  bind();
  state_ = State::kRunning;
}

void LoopAffinity::end_run() noexcept {
  if (is_foreign()) return;
  const bool is_kept = is_kept_after_run_;
  unbind();
  state_ = State::kIdle;  // last: now another thread may run, close or destroy it
  while (is_kept) ::pause();
}

bool LoopAffinity::take_to_close(const char* operation) {
  const State before = take(State::kClosed);
  if (before == State::kRunning) throw_running(operation);
  if (before == State::kClosed) return false;
  bind();
  return true;
}

void LoopAffinity::end_close() noexcept { unbind(); }

// Takes a loop at rest into `next`. Returns the state before; if that was not at rest, nothing has
// changed.
LoopAffinity::State LoopAffinity::take(State next) noexcept {
  for (Backoff backoff;; backoff.step()) {
    State before = State::kIdle;
    if (state_.compare_exchange_strong(before, next) || before != State::kHeld) return before;
  }
}

void LoopAffinity::bind() noexcept {
  if (owner_ == Owner::kUser) thread_.bind();
}

void LoopAffinity::unbind() noexcept {
  if (owner_ == Owner::kUser) thread_.unbind();
}

void LoopAffinity::throw_closed(const char* operation) const {
  throw LoopClosedError(absl::StrCat(operation, ": loop '", name_, "' is closed"));
}

void LoopAffinity::throw_running(const char* operation) const {
  throw std::logic_error(absl::StrCat(operation, ": loop '", name_, "' runs on ", thread_label(),
                                      "; called on ", current_thread_label(), ". Stop it first."));
}

void LoopAffinity::throw_wrong_thread(const char* operation, const char* instead) const {
  const std::string label = thread_label();
  const char* const relation = owner_ == Owner::kUser ? "' runs on " : "' belongs to ";
  const std::string thread =
      label.empty() ? absl::StrCat("a thread of its own (", name_, ") that has yet to begin") : label;
  throw std::logic_error(absl::StrCat(operation, ": loop '", name_, relation, thread,
                                      "; called on ", current_thread_label(), ". ", instead));
}

}  // namespace zmqloop
