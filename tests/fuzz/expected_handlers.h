// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tracks the handlers of a loop, and the calls that the loop owes them.
//
// Threads: one.
// Errors: ends the process if a handler is called wrongly, or is not called when it should be.

#ifndef ZMQLOOP_TESTS_FUZZ_EXPECTED_HANDLERS_H_
#define ZMQLOOP_TESTS_FUZZ_EXPECTED_HANDLERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>

#include "tests/fuzz/promise.h"

#include "zmqloop/poller/events.h"

namespace zmqloop::fuzz {

class ExpectedHandlers {
 public:
  static constexpr std::size_t kPlaces = 6;

  // `place` is the number of the thing that the handler waits for. Ids are never reused.
  void added(std::size_t place, unsigned id, Events events) {
    registered_[place] = {id, events, false};
  }
  void updated(std::size_t place, Events events) {
    registered_[place]->events = events;
    registered_[place]->owed = false;
  }
  void removed(std::size_t place) { registered_[place].reset(); }
  void abandoned() {
    registered_ = {};
    lost_.clear();
  }

  bool has(std::size_t place) const { return registered_[place].has_value(); }
  // The thing's readiness has changed, or may have: no call is owed.
  void disturbed(std::size_t place) {
    if (has(place)) registered_[place]->owed = false;
  }
  // The descriptor was closed with its handler still registered.
  void vanished(std::size_t place, int descriptor) {
    lost_.insert(descriptor);
    ++losses_;
    removed(place);
  }
  bool is_lost(int descriptor) const { return lost_.contains(descriptor); }
  void found(int descriptor) { lost_.erase(descriptor); }
  bool none_lost() const { return lost_.empty(); }
  void reported_loss() {
    require(losses_ > 0, "a closed descriptor is reported once");
    --losses_;
  }

  void called(std::size_t place, unsigned id, Events events) {
    ++calls_;
    require(has(place) && registered_[place]->id == id, "a removed handler is not called");
    require(any(events), "a handler is told of something");
    require(!any(events & ~(registered_[place]->events | Events::kError)),
            "a handler is not told what it does not wait for");
    registered_[place]->owed = false;
  }

  // A run begins: a call is owed if the thing is readable and the handler waits for that.
  void run_begins(std::size_t place, bool readable) {
    if (!has(place)) return;
    registered_[place]->owed = readable && any(registered_[place]->events & Events::kRead);
  }
  void require_none_owed() const {
    for (const auto& each : registered_) {
      require(!each || !each->owed, "a handler is called while its descriptor is ready");
    }
  }

  std::uint64_t size() const {
    std::uint64_t count = 0;
    for (const auto& each : registered_) count += each.has_value();
    return count;
  }
  std::uint64_t lost() const { return lost_.size(); }
  std::uint64_t calls() const { return calls_; }

 private:
  struct Registered {
    unsigned id;
    Events events;
    bool owed;
  };
  std::array<std::optional<Registered>, kPlaces> registered_;
  std::set<int> lost_;        // closed descriptors, until re-registered or removed
  std::uint64_t losses_ = 0;  // not yet reported
  std::uint64_t calls_ = 0;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_EXPECTED_HANDLERS_H_
