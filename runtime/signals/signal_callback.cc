// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/signals/signal_callback.h"

#include <new>
#include <stdexcept>
#include <string>

namespace zmqloop {

bool PreparedCallback::raise() noexcept {
  // Read first: once this raise is counted, a call may answer it and the loop may be closed.
  const bool closed = core_->is_closed();
  if (raises_.fetch_add(1) == 0) return core_->raise(*slot_);
  return !closed;  // a call still to come answers this raise
}

void PreparedCallback::run() {
  const auto alive = shared_from_this();  // before the exchange, see release()
  // From here on the next raise publishes the slot again.
  std::uint64_t raises = raises_.exchange(0);
  if (calls_ == Calls::kOnceForAll) {
    if (!released_) function_(raises);
    return;
  }
  struct Rest {  // if the function throws, unanswered raises wait for the next iteration
    PreparedCallback& prepared;
    std::uint64_t& raises;
    ~Rest() {
      if (raises == 0 || prepared.released_) return;
      if (prepared.raises_.fetch_add(raises) == 0) prepared.core_->raise(*prepared.slot_);
    }
  } rest{*this, raises};
  while (raises != 0 && !released_) {
    --raises;
    function_(1);
  }
}

void PreparedCallback::release(std::shared_ptr<PreparedCallback> prepared) noexcept {
  if (prepared == nullptr) return;
  prepared->released_ = true;
  LoopCore& core = *prepared->core_;
  if (core.is_poisoned()) {
    prepared->leaked_ = prepared;  // forked child: the callable is the parent's
    return;
  }
  // Nothing waits in the slot, and a call in progress keeps the object alive.
  if (prepared->raises_ == 0) return core.unreserve_signal_slot(*prepared->slot_);
  // A closed loop keeps the slot: its closer may be reading it.
  if (core.is_closed()) return;
  // Otherwise post it behind the waiting raise, since posts run in order.
  const auto let_go = [prepared] { prepared->core_->unreserve_signal_slot(*prepared->slot_); };
  try {
    static_cast<void>(core.post(let_go));
  } catch (const std::bad_alloc&) {
    prepared->leaked_ = prepared;
  }
}

void PreparedCallback::throw_no_slot(std::string_view operation, std::string_view loop_name) {
  throw std::length_error(std::string(operation) + ": loop '" + std::string(loop_name) +
                          "' has no signal slot left; raise Options::signal_slots");
}

}  // namespace zmqloop
