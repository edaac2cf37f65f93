// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// All entry points that call a callable and ignore its result. A test gives a callable to any of
// them, triggers the call, and watches the fate of the returned Task or Future.
//
//   Script script;                                  // outlives the stage
//   Stage stage(Entry::kCallLater, PollerKind::kEpoll);
//   script.pause = Pause::kSleep;
//   stage.turn_after([&] { stage.give(ReturnsTask<Guard>(script), script); });  // called, asleep
//   stage.pass(kNap);                               // awake, finished
//
// The stage has its own clock, which stands still. Objects are known by number, so that no test
// reads a destroyed one.
//
// Threads: the test's. The stage's own loop runs on it, in turn(); a pool's loop on the pool's.

#ifndef ZMQLOOP_TESTS_SUPPORT_ENTRY_POINTS_H_
#define ZMQLOOP_TESTS_SUPPORT_ENTRY_POINTS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/runtime/pool/loop_pool.h"

namespace zmqloop::testing {

using namespace std::chrono_literals;

// ---- objects whose lives are watched -----------------------------------------------------------

// Knows which objects are alive. Allocates no memory.
class Lives {
 public:
  static constexpr std::size_t kNobody = ~std::size_t{0};

  std::size_t begin() noexcept {
    const std::size_t number = begun_++;
    if (number >= alive_.size()) std::abort();
    alive_[number] = true;
    ++count_;
    return number;
  }
  void end(std::size_t number) noexcept {
    if (!alive_[number].exchange(false)) ended_twice_ = true;
    last_end_ = std::this_thread::get_id();
    --count_;
  }

  bool has(std::size_t number) const { return number == kNobody || alive_[number]; }
  int count() const { return count_; }
  bool ended_twice() const { return ended_twice_; }
  // Returns the thread of the most recent destruction.
  std::thread::id last_end() const { return last_end_; }

 private:
  std::array<std::atomic<bool>, 4096> alive_{};
  std::atomic<std::size_t> begun_{0};
  std::atomic<int> count_{0};
  std::atomic<bool> ended_twice_{false};
  std::atomic<std::thread::id> last_end_{};
};

class Guard {
 public:
  explicit Guard(Lives& lives) noexcept : lives_(&lives), number_(lives.begin()) {}
  Guard(const Guard& other) noexcept : Guard(*other.lives_) {}
  Guard& operator=(const Guard&) = delete;
  ~Guard() { lives_->end(number_); }
  std::size_t number() const noexcept { return number_; }

 private:
  Lives* lives_;
  std::size_t number_;
};

class MoveOnlyGuard {
 public:
  explicit MoveOnlyGuard(Lives& lives) noexcept : guard_(lives) {}
  MoveOnlyGuard(MoveOnlyGuard&& other) noexcept : guard_(other.guard_) {}
  MoveOnlyGuard& operator=(MoveOnlyGuard&&) = delete;
  std::size_t number() const noexcept { return guard_.number(); }

 private:
  Guard guard_;
};

// For callables that must be trivially copyable, so that their lives cannot be watched.
struct NoGuard {
  explicit NoGuard(Lives&) noexcept {}
  std::size_t number() const noexcept { return Lives::kNobody; }
};

// ---- callables ---------------------------------------------------------------------------------

inline constexpr Duration kNap = 50ms;

enum class Pause { kNone, kSleep, kFuture };

// Orders for the callables of one test, and a record of their calls.
struct Script {
  // Set by the test, before it gives a callable.
  Pause pause = Pause::kNone;
  bool fails = false;
  std::function<void()> on_begin;  // called on the loop, in the call

  // Written by the callables.
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<bool> lost_its_captures{false};
  std::atomic<std::thread::id> ended_on{};
  Lives callables;
  Lives frames;

  // Last, so that they are destroyed first: tasks that wait for them refer to the rest.
  Promise<void> gate;                    // awaited by a task with Pause::kFuture
  Promise<std::unique_ptr<int>> answer;  // of the future that a ReturnsFuture returns

  void begin() {
    ++begun;
    if (on_begin) on_begin();
  }
  void go_on(std::size_t callable) {
    if (!callables.has(callable)) lost_its_captures = true;
    ended_on = std::this_thread::get_id();
    if (fails) throw std::range_error("went wrong");
    ++ended;
  }
};

// Returns a coroutine that uses the captures of its callable.
template <class G>
class ReturnsTask {
 public:
  explicit ReturnsTask(Script& script) : script_(&script), guard_(script.callables) {}

  ReturnsTask<NoGuard> trivial() const { return ReturnsTask<NoGuard>(*script_); }

  template <class... A>
  Task<int> operator()(const A&...) {
    Script& script = *script_;  // `this` may be gone later, which is the question
    const std::size_t callable = guard_.number();
    const Guard frame(script.frames);
    script.begin();
    if (script.pause == Pause::kSleep) co_await sleep_for(kNap);
    if (script.pause == Pause::kFuture) co_await script.gate.get_future();
    script.go_on(callable);
    co_return 1;
  }

 private:
  Script* script_;
  G guard_;
};

template <class G>
class ReturnsFuture {
 public:
  explicit ReturnsFuture(Script& script) : script_(&script), guard_(script.callables) {}

  ReturnsFuture<NoGuard> trivial() const { return ReturnsFuture<NoGuard>(*script_); }

  template <class... A>
  Future<std::unique_ptr<int>> operator()(const A&...) {
    script_->begin();
    return script_->answer.get_future();
  }

 private:
  Script* script_;
  [[no_unique_address]] G guard_;
};

// Returns a Task or Future that refers to nothing.
template <class Result>
struct ReturnsEmpty {
  Script* script;
  ReturnsEmpty trivial() const { return *this; }
  template <class... A>
  Result operator()(const A&...) {
    script->begin();
    return Result();
  }
};

// ---- entry points ------------------------------------------------------------------------------

enum class Entry {
  kAddCallback,
  kTryAddCallback,
  kSpawnCallback,
  kCallLater,
  kCallAt,
  kAddTimeout,
  kAddFuture,
  kHandlerOfDescriptor,
  kHandlerOfSocket,
  kSignalHandler,
  kPreparedCallback,
  kCallbackFromSignal,
  kPoolPost,
  kPoolBroadcast,
  kOnHighWater,
  kPeriodicCallback,
  kDelayedCallback,
};

inline const char* name_of(Entry entry) {
  constexpr const char* kNames[] = {
      "AddCallback",     "TryAddCallback",     "SpawnCallback",    "CallLater",
      "CallAt",          "AddTimeout",         "AddFuture",        "HandlerOfDescriptor",
      "HandlerOfSocket", "SignalHandler",      "PreparedCallback", "CallbackFromSignal",
      "PoolPost",        "PoolBroadcast",      "OnHighWater",      "PeriodicCallback",
      "DelayedCallback"};
  return kNames[static_cast<std::size_t>(entry)];
}

// Returns whether the callable is called at each event, and so outlives its calls.
inline bool calls_again(Entry entry) {
  switch (entry) {
    case Entry::kHandlerOfDescriptor:
    case Entry::kHandlerOfSocket:
    case Entry::kSignalHandler:
    case Entry::kPreparedCallback:
    case Entry::kOnHighWater:
    case Entry::kPeriodicCallback:
    case Entry::kDelayedCallback:
      return true;
    default:
      return false;
  }
}
// Returns whether a call may begin before the last one has ended.
inline bool overlaps(Entry entry) {
  return entry != Entry::kHandlerOfDescriptor && entry != Entry::kHandlerOfSocket &&
         entry != Entry::kPeriodicCallback;
}
inline bool is_of_pool(Entry entry) {
  return entry == Entry::kPoolPost || entry == Entry::kPoolBroadcast;
}

// Runs `f` on a new thread, which also destroys its copy of `f`.
template <class F>
void on_another_thread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

// ---- the stage ---------------------------------------------------------------------------------

// A loop that keeps the default report of each exception of a callback.
class ReportingLoop : public IOLoop {
 public:
  ReportingLoop(Options options, std::vector<std::string>& reports)
      : IOLoop(std::move(options)), reports_(reports) {}
  void handle_callback_exception(std::exception_ptr error) override {
    if (on_exception) on_exception();
    ::testing::internal::CaptureStderr();
    IOLoop::handle_callback_exception(error);
    reports_.push_back(::testing::internal::GetCapturedStderr());
    if (escapes) std::rethrow_exception(error);
  }

  bool escapes = false;
  std::function<void()> on_exception;

 private:
  std::vector<std::string>& reports_;
};

class Stage {
 public:
  static constexpr Duration kSoon = 10ms;
  static constexpr Duration kPeriod = 1h;
  static constexpr std::size_t kHighWaterMark = 16;
  static constexpr int kIterations = 4;

  Stage(Entry entry, PollerKind poller) : entry_(entry), poller_(poller) {
    if (is_of_pool(entry)) {
      pool_.emplace(LoopPool::Options{.loops = 1, .name = "staged", .loop = options()});
    } else if (entry != Entry::kOnHighWater) {
      own_.emplace(options(), reports_);
    }
  }

  IOLoop& loop() { return pool_ ? pool_->loop(0) : *own_; }
  // The loop of all entry points but the pool's. For on_high_water, it exists once a callable is
  // given.
  ReportingLoop& own_loop() { return *own_; }
  std::thread::id loop_thread() {
    return pool_ ? loop().submit([] { return std::this_thread::get_id(); }).get()
                 : std::this_thread::get_id();
  }
  // Returns the reports of exceptions of callables.
  const std::vector<std::string>& reports() const { return reports_; }

  // Gives a callable to the entry point, which calls it in the next turn; a pool may call it at
  // once.
  template <class F>
  void give(F f, Script& script) {
    give_erased(std::move(f), script);
    happen();
  }

  // Triggers the callable once more.
  void happen() {
    switch (entry_) {
      case Entry::kCallLater:
      case Entry::kCallAt:
      case Entry::kAddTimeout:
        return advance(kSoon);
      case Entry::kAddFuture:
        return promise_.set_value(1);
      case Entry::kHandlerOfDescriptor:
        return ring(event_);
      case Entry::kHandlerOfSocket:
        return send(sockets_->far, "message");
      case Entry::kSignalHandler:
        EXPECT_EQ(::raise(SIGUSR1), 0);
        return;
      case Entry::kPreparedCallback:
        EXPECT_TRUE(prepared_.raise());
        return;
      case Entry::kOnHighWater:
        for (std::size_t i = 0; i < kHighWaterMark; ++i) loop().add_callback([] {});
        return;
      case Entry::kPeriodicCallback:
        return advance(kPeriod);
      case Entry::kDelayedCallback:
        delayed_->start();
        return advance(kSoon);
      default:
        return;
    }
  }

  // Starts a PeriodicCallback that was stopped.
  void start_again() {
    if (periodic_) periodic_->start();
  }
  // Removes the callable if it would be called again.
  void withdraw() {
    if (own_) {
      if (entry_ == Entry::kHandlerOfDescriptor) own_->remove_handler(event_.get());
      if (entry_ == Entry::kHandlerOfSocket) own_->remove_handler(sockets_->near);
      if (entry_ == Entry::kSignalHandler) own_->remove_signal_handler(SIGUSR1);
    }
    prepared_ = SignalCallback();
    periodic_.reset();
    delayed_.reset();
  }

  // Calls `f`, then lets the loop do all work that is queued, due and ready, and all that follows.
  template <class F>
  void turn_after(F f) {
    if (pool_) ::testing::internal::CaptureStderr();  // the pool's loop may report at any time
    f();
    if (pool_) return turn_pool();
    stop_after(kIterations);
    own_->start();
  }
  void turn() {
    turn_after([] {});
  }
  void pass(Duration time) {
    advance(time);
    turn();
  }

  // Destroys the loop; stops and joins a pool.
  void end() {
    if (pool_) {
      pool_->stop();
      pool_->join();
    }
    own_.reset();
  }

 private:
  LoopOptions options() {
    return {.poller = poller_, .name = "staged", .clock = [this] {
              return TimePoint(Duration(now_.load()));
            }};
  }
  void advance(Duration by) { now_ += by.count(); }

  void turn_pool() {
    for (int i = 0; i < kIterations; ++i) loop().submit([] {}).get();
    std::istringstream written(::testing::internal::GetCapturedStderr());
    for (std::string line; std::getline(written, line);) {
      if (line.find("exception in callback") != std::string::npos) {
        reports_.push_back(line);
      } else {
        std::fprintf(stderr, "%s\n", line.c_str());  // a sanitizer's
      }
    }
  }
  void stop_after(int iterations) {
    own_->add_callback([this, iterations] {
      if (iterations == 0) return own_->stop();
      stop_after(iterations - 1);
    });
  }

  template <class F>
  void give_erased(F f, Script& script) {
    switch (entry_) {
      case Entry::kAddCallback:
        EXPECT_TRUE(loop().add_callback(std::move(f)));
        return;
      case Entry::kTryAddCallback:
        EXPECT_EQ(loop().try_add_callback(std::move(f)), PostOutcome::kAccepted);
        return;
      case Entry::kSpawnCallback:
        EXPECT_TRUE(loop().spawn_callback(std::move(f)));
        return;
      case Entry::kCallLater:
        loop().call_later(kSoon, std::move(f));
        return;
      case Entry::kCallAt:
        loop().call_at(loop().time() + kSoon, std::move(f));
        return;
      case Entry::kAddTimeout:
        loop().add_timeout(kSoon, std::move(f));
        return;
      case Entry::kAddFuture:
        loop().add_future(promise_.get_future(), std::move(f));
        return;
      case Entry::kHandlerOfDescriptor:
        script.on_begin = [this] {
          eventfd_t rings = 0;
          ::eventfd_read(event_.get(), &rings);
        };
        loop().add_handler(event_.get(), std::move(f), Events::kRead);
        return;
      case Entry::kHandlerOfSocket:
        sockets_.emplace(context_, zmq::socket_type::pair, zmq::socket_type::pair);
        script.on_begin = [this] { receive(sockets_->near); };
        loop().add_handler(sockets_->near, std::move(f), Events::kRead);
        return;
      case Entry::kSignalHandler:
        loop().add_signal_handler(SIGUSR1, std::move(f));
        return;
      case Entry::kPreparedCallback:
        prepared_ = loop().prepare_signal_callback(std::move(f));
        return;
      case Entry::kCallbackFromSignal:
        EXPECT_TRUE(loop().add_callback_from_signal(f.trivial()));
        return;
      case Entry::kPoolPost:
        EXPECT_TRUE(pool_->post(std::move(f)));
        return;
      case Entry::kPoolBroadcast:
        if constexpr (std::is_copy_constructible_v<F>) {
          EXPECT_EQ(pool_->broadcast(f), 1u);
        }
        return;
      case Entry::kOnHighWater:
        if constexpr (std::is_copy_constructible_v<F>) {
          LoopOptions with_mark = options();
          with_mark.high_water_mark = kHighWaterMark;
          with_mark.on_high_water = std::move(f);
          own_.emplace(std::move(with_mark), reports_);
        }
        return;
      case Entry::kPeriodicCallback:
        periodic_.emplace(std::move(f), kPeriod, &loop());
        periodic_->start();
        return;
      case Entry::kDelayedCallback:
        delayed_.emplace(std::move(f), kSoon, &loop());
        return;
    }
  }

  // Constant after construction.
  const Entry entry_;
  const PollerKind poller_;

  std::atomic<Duration::rep> now_{Duration(1h).count()};  // also read by a pool's loop
  std::vector<std::string> reports_;
  OwnedFd event_ = make_event();
  zmq::context_t context_;
  std::optional<SocketPair> sockets_;
  Promise<int> promise_;
  std::optional<ReportingLoop> own_;
  std::optional<LoopPool> pool_;
  SignalCallback prepared_;
  std::optional<PeriodicCallback> periodic_;
  std::optional<DelayedCallback> delayed_;
};

// The parameter of suites over entry points and pollers.
using Where = std::tuple<Entry, PollerKind>;

inline std::string where_name(const ::testing::TestParamInfo<Where>& info) {
  const bool epoll = std::get<PollerKind>(info.param) == PollerKind::kEpoll;
  return std::string(name_of(std::get<Entry>(info.param))) + (epoll ? "Epoll" : "ZmqPoll");
}

// Returns all entry points for which `wanted` is true.
template <class Wanted>
std::vector<Entry> entries(Wanted wanted) {
  std::vector<Entry> found;
  for (int i = 0; i <= static_cast<int>(Entry::kDelayedCallback); ++i) {
    if (wanted(static_cast<Entry>(i))) found.push_back(static_cast<Entry>(i));
  }
  return found;
}

}  // namespace zmqloop::testing

#define ZMQLOOP_AT_ENTRIES(suite, wanted)                                                        \
  INSTANTIATE_TEST_SUITE_P(                                                                      \
      Entries, suite,                                                                            \
      ::testing::Combine(                                                                        \
          ::testing::ValuesIn(::zmqloop::testing::entries(wanted)),                              \
          ::testing::Values(::zmqloop::PollerKind::kEpoll, ::zmqloop::PollerKind::kZmqPoll)),    \
      ::zmqloop::testing::where_name)

#endif  // ZMQLOOP_TESTS_SUPPORT_ENTRY_POINTS_H_
