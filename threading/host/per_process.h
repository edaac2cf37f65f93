// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Holds one object for the whole process; a forked child gets a new one.
//
// The first call makes the object, and the first call in a forked child makes another. The parent's
// object stays reachable in the child, to satisfy leak checkers, but is never touched. Objects are
// never destroyed. There is no lock: one that another thread holds during fork() stays locked in
// the child.
//
// Threads: any.
// Owns: one T for each process generation that asked.
// Errors: std::bad_alloc and the exceptions of `make`; a later call tries again.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_PER_PROCESS_H_
#define ZMQLOOP_THREADING_HOST_PER_PROCESS_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {

template <class T>
class PerProcess {
 public:
  constexpr PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  // Returns this process's T. If there is none yet, calls `make`, which returns one as a
  // std::unique_ptr<T>. If several threads do so at the same time, all but the first destroy theirs
  // unused.
  template <class Make>
  T& get(Make make) {
    Node* current = newest_.load();
    if (is_ours(current)) return *current->value;
    std::unique_ptr<Node> made(new Node{fork_generation(), current, make()});
    if (newest_.compare_exchange_strong(current, made.get())) return *made.release()->value;
    return *current->value;
  }

 private:
  struct Node {
    const std::uint32_t generation;
    Node* const previous;  // the parent's
    const std::unique_ptr<T> value;
  };

  static bool is_ours(const Node* node) noexcept {
    return node != nullptr && node->generation == fork_generation();
  }

  std::atomic<Node*> newest_{nullptr};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_PER_PROCESS_H_
