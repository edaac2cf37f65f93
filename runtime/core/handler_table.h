// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The I/O handlers of one loop, found by their pollable or by the token that a poller reports.
//
// A token carries a generation: an event finds nothing if its registration was removed since the
// poll, or replaced by another one for the same descriptor.
//
// Threads: one at a time.
// Owns: the handlers. A handler that is removed while it runs lives until it returns.
// Errors: std::bad_alloc from prepare_add(), with nothing changed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CORE_HANDLER_TABLE_H_
#define ZMQLOOP_RUNTIME_CORE_HANDLER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/hash_index.h"
#include "zmqloop/poller/pollable.h"

namespace zmqloop {

using Handler = absl::AnyInvocable<void(Pollable, Events)>;

// Makes a handler of a callable that takes (Pollable, Events), or nothing.
template <class F>
Handler make_handler(F&& f) {
  if constexpr (std::is_invocable_v<std::decay_t<F>&, Pollable, Events>) {
    return Handler(std::forward<F>(f));
  } else {
    return Handler(
        [g = std::decay_t<F>(std::forward<F>(f))](Pollable, Events) mutable { g(); });
  }
}

class HandlerTable {
 public:
  struct Entry {
    Pollable pollable;
    Events events;
    std::uint64_t token;
    const std::type_info* type;
    Handler handler;
    std::uint32_t calls_in_error = 0;  // consecutive
    std::uint32_t throws = 0;          // consecutive
    bool is_busy = false;    // its Task or Future has not ended: no other call meanwhile
    bool is_paused = false;  // the poller does not report it while it is busy
  };

  // Returns the token that the next add() will use, and makes room for it.
  std::uint64_t prepare_add();
  // Registers a handler after prepare_add(); cannot fail. Replaces one for the same pollable.
  void add(std::unique_ptr<Entry> entry);

  // Removes a handler; false if there is none.
  bool remove(const Pollable& pollable);

  // Returns the entry, or null.
  Entry* find(const Pollable& pollable);
  Entry* find(std::uint64_t token) noexcept;

  // Calls the entry's handler; it may remove itself or others. Passes on its exceptions.
  void call(Entry& entry, Pollable pollable, Events events);

  // Returns type and token of the handler that runs, or ran last.
  const std::type_info* called_type() const noexcept { return called_type_; }
  std::uint64_t called_token() const noexcept { return called_token_; }

  std::size_t size() const noexcept { return by_pollable_.size(); }
  // Calls f(entry) for each; f may remove any of them.
  template <class F>
  void for_each(F f) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].entry != nullptr) f(*places_[i].entry);
    }
  }

 private:
  struct Place {
    std::unique_ptr<Entry> entry;
    std::uint32_t generation = 0;
  };

  void retire(Place& place, std::uint32_t index);

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  HashIndex<Pollable, std::uint32_t> by_pollable_;

  const Entry* running_ = nullptr;
  std::unique_ptr<Entry> removed_while_running_;
  const std::type_info* called_type_ = nullptr;
  std::uint64_t called_token_ = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_HANDLER_TABLE_H_
