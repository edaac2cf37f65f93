// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop with a thread of its own, from a LoopThread or a LoopPool, for tests of promises that both
// make.
//
//   LoopOwner owner(OwnerKind::kLastOfAPool, options, {.start = [] { prepare(); }});
//   owner.loop().add_callback([] { work(); });
//   owner.stop();
//   CloseReport left = owner.join();
//
// Threads: as LoopThread.

#ifndef ZMQLOOP_TESTS_SUPPORT_LOOP_OWNER_H_
#define ZMQLOOP_TESTS_SUPPORT_LOOP_OWNER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>

#include "tests/support/loop_watchdog.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {

enum class OwnerKind { kThread, kFirstOfAPool, kLastOfAPool };
inline constexpr OwnerKind kOwnerKinds[] = {OwnerKind::kThread, OwnerKind::kFirstOfAPool,
                                            OwnerKind::kLastOfAPool};

inline std::string owner_name(OwnerKind kind) {
  switch (kind) {
    case OwnerKind::kThread: return "Thread";
    case OwnerKind::kFirstOfAPool: return "FirstOfAPool";
    case OwnerKind::kLastOfAPool: return "LastOfAPool";
  }
  return "?";
}
inline std::ostream& operator<<(std::ostream& out, OwnerKind kind) {
  return out << owner_name(kind);
}

class LoopOwner {
 public:
  static constexpr std::size_t kPoolSize = 3;

  // on_thread_start and on_thread_end of the one loop.
  struct Hooks {
    std::function<void()> start = {};
    std::function<void()> end = {};
  };

  LoopOwner(OwnerKind kind, const LoopOptions& options) : LoopOwner(kind, options, Hooks()) {}
  LoopOwner(OwnerKind kind, const LoopOptions& options, const Hooks& hooks)
      : index_(kind == OwnerKind::kLastOfAPool ? kPoolSize - 1 : 0) {
    if (kind == OwnerKind::kThread) {
      LoopThread::Options of_thread;
      of_thread.name = "owned";
      of_thread.loop = options;
      if (hooks.start) of_thread.on_thread_start = hooks.start;
      if (hooks.end) of_thread.on_thread_end = hooks.end;
      thread_ = std::make_unique<LoopThread>(std::move(of_thread));
      return;
    }
    LoopPool::Options of_pool;
    of_pool.name = "owned";
    of_pool.loops = kPoolSize;
    of_pool.loop = options;
    if (hooks.start) of_pool.on_thread_start = of_the_one(hooks.start);
    if (hooks.end) of_pool.on_thread_end = of_the_one(hooks.end);
    pool_ = std::make_unique<LoopPool>(std::move(of_pool));
  }

  IOLoop& loop() { return thread_ != nullptr ? thread_->loop() : pool_->loop(index_); }
  void stop() {
    if (thread_ != nullptr) return thread_->stop();
    pool_->stop();
  }
  // For a pool, returns the sum.
  CloseReport join() { return thread_ != nullptr ? thread_->join() : pool_->join(); }
  CloseReport stop_and_join() {
    stop();
    return join();
  }

 private:
  std::function<void(std::size_t)> of_the_one(std::function<void()> hook) const {
    return [index = index_, hook = std::move(hook)](std::size_t i) {
      if (i == index) hook();
    };
  }

  const std::size_t index_;
  std::unique_ptr<LoopThread> thread_;
  std::unique_ptr<LoopPool> pool_;
};

// Tests of the common promises derive from this; each runs with every owner and every poller.
class OnAllOwners : public ::testing::TestWithParam<std::tuple<OwnerKind, PollerKind>> {
 protected:
  static OwnerKind kind() { return std::get<0>(GetParam()); }
  static LoopOptions options() {
    LoopOptions options;
    options.poller = std::get<1>(GetParam());
    return options;
  }
  const LoopWatchdog watchdog_;
};

inline std::string owner_and_poller_name(
    const ::testing::TestParamInfo<std::tuple<OwnerKind, PollerKind>>& info) {
  const char* const poller =
      std::get<1>(info.param) == PollerKind::kEpoll ? "Epoll" : "ZmqPoll";
  return owner_name(std::get<0>(info.param)) + poller;
}

}  // namespace zmqloop::testing

// Runs a suite with every owner and every poller.
#define ZMQLOOP_ON_ALL_OWNERS(suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(                                                                   \
      Owners, suite,                                                                          \
      ::testing::Combine(::testing::ValuesIn(::zmqloop::testing::kOwnerKinds),                \
                         ::testing::Values(::zmqloop::PollerKind::kEpoll,                     \
                                           ::zmqloop::PollerKind::kZmqPoll)),                 \
      ::zmqloop::testing::owner_and_poller_name)

#endif  // ZMQLOOP_TESTS_SUPPORT_LOOP_OWNER_H_
