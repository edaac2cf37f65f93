// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A hash map whose prepared insertions cannot fail, and whose failed preparations change nothing.
//
// Wraps absl::flat_hash_map, which is left corrupt if an allocation fails while it grows. So we
// never let it grow: we fill a larger table and swap.
//
// Threads: one at a time.
// Errors: reserve_one() throws std::bad_alloc; nothing else throws.
// Internal.

#ifndef ZMQLOOP_POLLER_HASH_INDEX_H_
#define ZMQLOOP_POLLER_HASH_INDEX_H_

#include <algorithm>
#include <cstddef>
#include <utility>

#include <absl/container/flat_hash_map.h>

namespace zmqloop {

template <class Key, class Value>
class HashIndex {
 public:
  // Makes room for one more key.
  void reserve_one() {
    if (room_ > 0) return;
    const std::size_t room = std::max(map_.size(), kLeastRoom);
    Map larger(2 * (map_.size() + room));  // buckets: Abseil's table grows at seven eighths
    larger.insert(map_.begin(), map_.end());
    map_ = std::move(larger);
    room_ = room;
  }
  // Sets the value of a key. Call reserve_one() first if the key may be new.
  void set(const Key& key, Value value) noexcept {
    if (map_.insert_or_assign(key, value).second) --room_;
  }

  // Returns the value, or null.
  Value* find(const Key& key) noexcept {
    const auto found = map_.find(key);
    return found == map_.end() ? nullptr : &found->second;
  }
  // Erasing makes no room: other keys may be unable to use the place.
  void erase(const Key& key) noexcept { map_.erase(key); }

  std::size_t size() const noexcept { return map_.size(); }
  auto begin() const noexcept { return map_.begin(); }
  auto end() const noexcept { return map_.end(); }

 private:
  using Map = absl::flat_hash_map<Key, Value>;
  static constexpr std::size_t kLeastRoom = 3;

  Map map_;
  std::size_t room_ = 0;  // new keys that surely fit
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_HASH_INDEX_H_
