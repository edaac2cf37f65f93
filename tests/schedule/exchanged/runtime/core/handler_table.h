// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's runtime/core/handler_table.h for loops without handlers: other threads never touch
// the table.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_HANDLER_TABLE_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_HANDLER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <typeinfo>

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"

namespace zmqloop {

using Handler = std::function<void(Pollable, Events)>;

class HandlerTable {
 public:
  struct Entry {
    Pollable pollable;
    Events events;
    std::uint64_t token;
    const std::type_info* type;
    std::uint32_t calls_in_error;
    std::uint32_t throws;
    bool is_busy;
  };

  bool remove(const Pollable&) { return false; }
  Entry* find(std::uint64_t) noexcept { return nullptr; }
  void call(Entry&, Pollable, Events) {}
  const std::type_info* called_type() const noexcept { return nullptr; }
  std::uint64_t called_token() const noexcept { return 0; }
  std::size_t size() const noexcept { return 0; }
  template <class F>
  void for_each(F) {}
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_HANDLER_TABLE_H_
