// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/signals/signal_handlers.h"

#include "zmqloop/runtime/signals/signal_dispatch.h"

namespace zmqloop {

void SignalHandlers::require_handleable(int signum) {
  signal_dispatch::require_handleable("IOLoop::add_signal_handler", signum);
}

void SignalHandlers::add_erased(int signum, SignalCallback handler) {
  const auto [place, is_new] = handlers_.try_emplace(signum);
  try {
    signal_dispatch::subscribe(signum, *handler.prepared_);
  } catch (...) {
    if (is_new) handlers_.erase(place);
    throw;
  }
  std::swap(place->second, handler);
  if (!is_new) signal_dispatch::unsubscribe(signum, *handler.prepared_);
}

bool SignalHandlers::remove(int signum) noexcept {
  const auto place = handlers_.find(signum);
  if (place == handlers_.end()) return false;
  signal_dispatch::unsubscribe(signum, *place->second.prepared_);
  handlers_.erase(place);
  return true;
}

void SignalHandlers::clear() noexcept {
  while (!handlers_.empty()) remove(handlers_.begin()->first);
}

}  // namespace zmqloop
