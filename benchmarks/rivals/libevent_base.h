// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A libevent event_base that frees itself.
//
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_RIVALS_LIBEVENT_BASE_H_
#define ZMQLOOP_BENCHMARKS_RIVALS_LIBEVENT_BASE_H_

#include <memory>

#include <event2/event.h>

namespace zmqloop::bench {

struct FreeLibeventBase {
  void operator()(event_base* base) const noexcept { event_base_free(base); }
};
using LibeventBase = std::unique_ptr<event_base, FreeLibeventBase>;

inline LibeventBase new_libevent_base(int flags) {
  event_config* const config = event_config_new();
  event_config_set_flag(config, flags);
  LibeventBase base(event_base_new_with_config(config));
  event_config_free(config);
  return base;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_RIVALS_LIBEVENT_BASE_H_
