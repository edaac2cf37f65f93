// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A map that iterates in a fixed order. The order of absl::flat_hash_map differs from run to run,
// so that no schedule could be replayed.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_ABSL_CONTAINER_FLAT_HASH_MAP_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_ABSL_CONTAINER_FLAT_HASH_MAP_H_

#include <cstddef>
#include <map>

namespace absl {

// Orders keys by their hashes, and so integers by their values.
struct OrderByHash {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return std::hash<T>()(a) < std::hash<T>()(b);
  }
};

template <class K, class V>
class flat_hash_map : public std::map<K, V, OrderByHash> {
 public:
  void reserve(std::size_t) {}
};

template <class K, class V, class Predicate>
void erase_if(flat_hash_map<K, V>& map, Predicate predicate) {
  for (auto at = map.begin(); at != map.end();) at = predicate(*at) ? map.erase(at) : std::next(at);
}

}  // namespace absl

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_ABSL_CONTAINER_FLAT_HASH_MAP_H_
