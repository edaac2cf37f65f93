// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <utility>

#include "zmqloop/runtime/core/loop_core.h"

namespace zmqloop {

void LoopCore::add_handler(const Pollable& pollable, Events events, const std::type_info& type,
                           Handler handler) {
  auto entry = std::make_unique<HandlerTable::Entry>(
      HandlerTable::Entry{pollable, events, handlers_.prepare_add(), &type, std::move(handler)});
  poller_->add(pollable, events, entry->token, "IOLoop::add_handler");
  handlers_.add(std::move(entry));
}

void LoopCore::remove_handler(const Pollable& pollable) {
  if (handlers_.find(pollable) == nullptr) return;
  poller_->remove(pollable);
  handlers_.remove(pollable);
}

// ---- tasks that handlers have returned ----

void LoopCore::set_busy(std::uint64_t handler_token) noexcept {
  if (HandlerTable::Entry* const entry = handlers_.find(handler_token)) entry->is_busy = true;
}

void LoopCore::pause(std::uint64_t handler_token) {
  HandlerTable::Entry* const entry = handlers_.find(handler_token);
  if (entry == nullptr || !entry->is_busy || mailbox_.poisoned()) return;
  poller_->pause(entry->pollable);
  entry->is_paused = true;
}

void LoopCore::end_task(std::uint64_t handler_token) {
  HandlerTable::Entry* const entry = handlers_.find(handler_token);
  if (entry == nullptr) return;  // removed meanwhile, or added anew
  entry->is_busy = false;
  if (mailbox_.poisoned()) return;
  if (std::exchange(entry->is_paused, false)) poller_->resume(entry->pollable);
}

}  // namespace zmqloop
