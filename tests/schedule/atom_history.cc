// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/atom_history.h"

#include <algorithm>

namespace zmqloop::schedule {
namespace {

bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_consume ||
         order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

std::uintptr_t key(const void* atom) { return reinterpret_cast<std::uintptr_t>(atom); }

}  // namespace

void AtomHistories::construct(const void* atom, Bits value, std::size_t thread,
                              const VectorClock& clock) {
  bool is_new;
  History& history = histories_.find_or_add(key(atom), is_new);
  history.stores = 0;
  history.constructed = true;
  history.used_at = VectorClock();
  append(history, value, thread, clock);
}

void AtomHistories::destroy(const void* atom, const VectorClock& clock) {
  const History* const history = histories_.find(key(atom));
  if (history != nullptr && !clock.has_seen_all(history->used_at)) {
    fail("an atomic is destroyed that another thread may still be using");
  }
}

Bits AtomHistories::load(const void* atom, Bits latest, std::memory_order order, std::size_t thread,
                         VectorClock& clock) {
  History& history = use(atom, latest, thread, clock);
  const std::size_t kept = std::min(history.stores, kKept);
  std::size_t age = 0;
  if (order != std::memory_order_seq_cst) {
    std::size_t oldest = 0;  // age of the oldest store that may be returned
    while (oldest + 1 < kept &&
           !clock.has_seen_any(history.latest[(history.stores - 1 - oldest) % kKept].seen_at)) {
      ++oldest;
    }
    if (oldest != 0) age = choice_.choose_store(oldest + 1);
  }
  Store& store = history.latest[(history.stores - 1 - age) % kKept];
  if (store.seen_at.of(thread) == kNever) store.seen_at.set(thread, clock.of(thread));
  if (acquires(order)) clock.join(store.published);
  return store.value;
}

void AtomHistories::store(const void* atom, Bits latest, Bits value, std::memory_order order,
                          std::size_t thread, const VectorClock& clock) {
  History& history = use(atom, latest, thread, clock);
  Store& store = append(history, value, thread, clock);
  if (releases(order)) store.published = clock;
}

void AtomHistories::exchange(const void* atom, Bits latest, Bits value, std::memory_order order,
                             std::size_t thread, VectorClock& clock) {
  History& history = use(atom, latest, thread, clock);
  // Continues the release sequence of the store before it.
  const VectorClock published = history.latest[(history.stores - 1) % kKept].published;
  if (acquires(order)) clock.join(published);
  Store& store = append(history, value, thread, clock);
  store.published = published;
  if (releases(order)) store.published.join(clock);
}

AtomHistories::History& AtomHistories::use(const void* atom, Bits latest, std::size_t thread,
                                           const VectorClock& clock) {
  bool is_new;
  History& history = histories_.find_or_add(key(atom), is_new);
  if (is_new) {
    // The atomic existed before the schedule, or is zeroed memory: every thread has seen it.
    append(history, latest, thread, clock).seen_at = VectorClock();
  } else if (history.constructed && history.stores <= kKept) {
    bool seen = false;
    for (std::size_t i = 0; i < history.stores && !seen; ++i) {
      seen = clock.has_seen_any(history.latest[i].seen_at);
    }
    if (!seen) fail("an atomic is used by a thread that may not have seen its construction");
  }
  history.used_at.set(thread, clock.of(thread));
  return history;
}

AtomHistories::Store& AtomHistories::append(History& history, Bits value, std::size_t thread,
                                            const VectorClock& clock) {
  Store& store = history.latest[history.stores++ % kKept];
  store = Store();
  store.value = value;
  store.seen_at.set(thread, clock.of(thread));
  return store;
}

}  // namespace zmqloop::schedule
