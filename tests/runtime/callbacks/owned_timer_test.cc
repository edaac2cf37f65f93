// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// PeriodicCallback and DelayedCallback destroyed on any thread, at any moment of their loop's life:
// the callable is destroyed once and never during a call, a running call finishes, none begins
// afterwards, and no thread waits.

#include "zmqloop/runtime/callbacks/owned_timer.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/loop_owner.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

// The class under test and the result type of its callable.
enum class Kind { kPeriodic, kPeriodicTask, kPeriodicFuture, kDelayed, kDelayedTask, kDelayedFuture };
constexpr Kind kKinds[] = {Kind::kPeriodic, Kind::kPeriodicTask, Kind::kPeriodicFuture,
                           Kind::kDelayed,  Kind::kDelayedTask,  Kind::kDelayedFuture};

constexpr bool is_periodic(Kind kind) { return kind <= Kind::kPeriodicFuture; }
constexpr bool returns_async(Kind kind) {
  return kind != Kind::kPeriodic && kind != Kind::kDelayed;
}

std::string kind_name(Kind kind) {
  constexpr const char* kNames[] = {"Periodic", "PeriodicTask", "PeriodicFuture",
                                    "Delayed",  "DelayedTask",  "DelayedFuture"};
  return kNames[static_cast<std::size_t>(kind)];
}

// Counts the calls and destructions of a callable. Outlives it.
class Account {
 public:
  // Runs in each call, on the loop's thread; before the await, if there is one.
  std::function<void()> in_call = [] {};
  // Makes calls that return a task or a future wait for the gate.
  std::atomic<bool> parks{false};

  int begun() const { return begun_; }
  int ended() const { return ended_; }
  int destroyed() const { return destroyed_; }
  // From now on, no call may begin.
  void owner_is_gone() { gone_ = true; }
  // A closing loop does not wait for a returned future, whose call then goes on after the close.
  void loop_leaves_futures_behind(Kind kind) {
    leaves_future_ = kind == Kind::kPeriodicFuture || kind == Kind::kDelayedFuture;
  }

  void callable_is_destroyed() {
    if (begun_ != ended_ && !leaves_future_) ++wrong_;
    ++destroyed_;
  }
  void call_begins() {
    if (destroyed_ != 0) ++wrong_;
    if (gone_) ++late_;
    ++begun_;
  }
  void call_ends() {
    if (destroyed_ != 0 && !leaves_future_) ++wrong_;
    ++ended_;
  }

  Future<void> gate() const { return gate_.get_future(); }
  // Lets the parked call and all later ones go on, on any thread.
  void open_gate() {
    parks = false;
    gate_.set_value();
  }

  // Checks one callable that was made, called in any way and destroyed.
  void expect_over() const {
    expect_over_but_for_a_call_under_way();
    EXPECT_EQ(late_, 0) << "a call has begun after the end of the owner";
  }
  // The same if a call may have been running: the loop had decided to call, and its thread was held
  // up before the first instruction of the callable. The owner does not wait for it.
  void expect_over_but_for_a_call_under_way() const {
    EXPECT_EQ(destroyed_, 1);
    EXPECT_EQ(wrong_, 0);
    EXPECT_EQ(begun_, ended_);
    EXPECT_LE(late_, 1);
  }

 private:
  std::atomic<int> begun_{0};
  std::atomic<int> ended_{0};
  std::atomic<int> destroyed_{0};
  std::atomic<int> wrong_{0};  // calls of a destroyed callable, destructions during a call
  std::atomic<int> late_{0};   // calls that began after the owner was destroyed
  std::atomic<bool> gone_{false};
  std::atomic<bool> leaves_future_{false};
  Promise<void> gate_;
};

// A callable that reports to its Account. A call is running while a Call exists.
class Accounted {
 public:
  explicit Accounted(Account& account) : account_(&account) {}
  Accounted(Accounted&& other) noexcept : account_(std::exchange(other.account_, nullptr)) {}
  Accounted& operator=(Accounted&&) = delete;
  ~Accounted() {
    if (account_ != nullptr) account_->callable_is_destroyed();
  }

 protected:
  class Call {
   public:
    explicit Call(Account& account) : account_(&account) { account.call_begins(); }
    Call(Call&& other) noexcept : account_(std::exchange(other.account_, nullptr)) {}
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (account_ != nullptr) account_->call_ends();
    }

   private:
    Account* account_;
  };

  Account* account_;
};
struct PlainCallable : Accounted {
  using Accounted::Accounted;
  void operator()() {
    const Call call(*account_);
    account_->in_call();
  }
};
struct TaskCallable : Accounted {
  using Accounted::Accounted;
  Task<void> operator()() {
    const Call call(*account_);
    account_->in_call();
    if (account_->parks) co_await account_->gate();
    static_cast<void>(account_->begun());  // the callable is still there
  }
};
struct FutureCallable : Accounted {
  using Accounted::Accounted;
  Future<void> operator()() {
    Call call(*account_);
    account_->in_call();
    if (account_->parks) {
      // Ends the Call before the loop learns that the future is ready.
      account_->gate().on_ready([under_way = std::make_unique<Call>(std::move(call))]() mutable {
        under_way.reset();
      });
      return account_->gate();
    }
    Promise<void> done;
    done.set_value();
    return done.get_future();
  }
};

// A PeriodicCallback or a DelayedCallback.
class Subject {
 public:
  Subject(Kind kind, Account& account, IOLoop* loop, Duration time = 1us) : account_(account) {
    switch (kind) {
      case Kind::kPeriodic: periodic_.emplace(PlainCallable(account), time, loop); break;
      case Kind::kPeriodicTask: periodic_.emplace(TaskCallable(account), time, loop); break;
      case Kind::kPeriodicFuture: periodic_.emplace(FutureCallable(account), time, loop); break;
      case Kind::kDelayed: delayed_.emplace(PlainCallable(account), time, loop); break;
      case Kind::kDelayedTask: delayed_.emplace(TaskCallable(account), time, loop); break;
      case Kind::kDelayedFuture: delayed_.emplace(FutureCallable(account), time, loop); break;
    }
  }
  ~Subject() {
    periodic_.reset();
    delayed_.reset();
    account_.owner_is_gone();
  }

  void start() { periodic_ ? periodic_->start() : delayed_->start(); }
  void stop() { periodic_ ? periodic_->stop() : delayed_->stop(); }
  bool is_running() const { return periodic_ ? periodic_->is_running() : delayed_->is_running(); }

 private:
  Account& account_;
  std::optional<PeriodicCallback> periodic_;
  std::optional<DelayedCallback> delayed_;
};

template <class F>
void elsewhere(F f) {
  std::thread(std::move(f)).join();
}

// ---- a loop of the user's own ----

class OwnedTimerTest : public ::testing::TestWithParam<std::tuple<Kind, PollerKind>> {
 protected:
  static Kind kind() { return std::get<0>(GetParam()); }
  static IOLoop::Options options() {
    IOLoop::Options options;
    options.poller = std::get<1>(GetParam());
    return options;
  }
  void make(IOLoop* loop, Duration time = 1us) { subject_.emplace(kind(), account_, loop, time); }
  void start_in_a_day() {
    make(&*loop_, 24h);
    subject_->start();
  }
  // Runs until a call has begun whose task or future goes on after the callable has returned.
  void run_until_parked() {
    account_.parks = true;
    account_.in_call = [&] { loop_->stop(); };
    make(&*loop_);
    subject_->start();
    loop_->start();
    EXPECT_EQ(account_.begun(), 1);
    EXPECT_EQ(account_.ended(), 0);
  }
  void run_once() {
    loop_->add_callback([&] { loop_->add_callback([&] { loop_->stop(); }); });
    loop_->start();
  }

  const LoopWatchdog watchdog_;
  std::optional<IOLoop> loop_{std::in_place, options()};
  Account account_;
  std::optional<Subject> subject_;
};

std::string kind_and_poller_name(
    const ::testing::TestParamInfo<std::tuple<Kind, PollerKind>>& info) {
  return kind_name(std::get<0>(info.param)) +
         (std::get<1>(info.param) == PollerKind::kEpoll ? "Epoll" : "ZmqPoll");
}
INSTANTIATE_TEST_SUITE_P(Kinds, OwnedTimerTest,
                         ::testing::Combine(::testing::ValuesIn(kKinds),
                                            ::testing::Values(PollerKind::kEpoll,
                                                              PollerKind::kZmqPoll)),
                         kind_and_poller_name);

TEST_P(OwnedTimerTest, DestroyedAtRestLeavesNoTimerBehind) {
  start_in_a_day();
  subject_.reset();
  account_.expect_over();
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedAtRestOnAnotherThreadLeavesNoTimerBehind) {
  start_in_a_day();
  elsewhere([&] {
    subject_.reset();
    account_.expect_over();
  });
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedAfterARunThatEndedOnAnotherThreadLeavesNoTimerBehind) {
  account_.in_call = [&] { loop_->stop(); };
  make(&*loop_);
  subject_->start();
  elsewhere([&] { loop_->start(); });
  EXPECT_EQ(account_.begun(), 1);
  subject_.reset();
  account_.expect_over();
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedByACallbackOfItsLoopLeavesNoTimerBehind) {
  start_in_a_day();
  loop_->run_sync([&] {
    subject_.reset();
    account_.expect_over();
  });
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedAtRestWhileACallIsParkedLetsThatFinishInTheNextRun) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  for (const bool here : {true, false}) {
    Account account;
    account.parks = true;
    account.in_call = [&] { loop_->stop(); };
    std::optional<Subject> subject(std::in_place, kind(), account, &*loop_);
    subject->start();
    loop_->start();
    here ? subject.reset() : elsewhere([&] { subject.reset(); });
    EXPECT_EQ(account.destroyed(), 0) << "a call is under way";
    account.open_gate();
    run_once();
    account.expect_over();
    EXPECT_EQ(account.begun(), 1);
    run_once();
    EXPECT_EQ(account.begun(), 1);
  }
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedWhileACallIsParkedGoesWithTheLoopIfThatClosesFirst) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  run_until_parked();
  subject_.reset();
  EXPECT_EQ(account_.destroyed(), 0);
  account_.loop_leaves_futures_behind(kind());
  loop_->close();
  account_.open_gate();
  account_.expect_over();
}

TEST_P(OwnedTimerTest, KeepsItsCallableWhenItsLoopClosesUnderACallThatIsParked) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  run_until_parked();
  loop_.reset();
  EXPECT_FALSE(subject_->is_running());
  EXPECT_EQ(account_.destroyed(), 0) << "the owner's";
  account_.open_gate();
  subject_.reset();
  account_.expect_over();
}

// The call on the first loop, which was destroyed, no longer counts.
TEST_P(OwnedTimerTest, DestroyedOnASecondLoopDestroysItsCallableThereAndThen) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  {
    IOLoop first(options());
    first.make_current();
    account_.parks = true;
    account_.in_call = [&] { first.stop(); };
    make(nullptr);
    subject_->start();
    first.start();
  }
  account_.open_gate();
  EXPECT_EQ(account_.destroyed(), 0);
  account_.in_call = [] {};
  LoopThread second({.name = "second", .loop = options()});
  second.loop().submit([&] { subject_->start(); }).get();
  while (account_.begun() != 2 || account_.ended() != 2) {
    if (is_periodic(kind()) && account_.begun() > 2) break;
    std::this_thread::yield();
  }
  second.loop().submit([&] { subject_->stop(); }).get();
  while (account_.begun() != account_.ended()) std::this_thread::yield();
  second.loop().submit([] {}).get();
  subject_.reset();
  EXPECT_EQ(account_.destroyed(), 1) << "no call is under way";
  second.stop();
  EXPECT_EQ(second.join().timers_abandoned, 0u);
  account_.expect_over();
}

// A task that has moved to another loop is destroyed when that one closes: its call never ends.
TEST_P(OwnedTimerTest, IsOverWithACallWhoseTaskHasGoneWithAnotherLoop) {
  if (kind() != Kind::kPeriodicTask && kind() != Kind::kDelayedTask) GTEST_SKIP() << "no task";
  for (const bool owner_is_gone : {false, true}) {
    std::optional<IOLoop> other(std::in_place, options());
    int calls = 0;
    const auto alive = std::make_shared<int>();
    const auto visit = [&, alive]() -> Task<void> {
      if (++calls > 1) {
        loop_->stop();
        co_return;
      }
      co_await other->schedule();
    };
    std::optional<PeriodicCallback> periodic(std::in_place, visit, 1us, &*loop_);
    std::optional<DelayedCallback> delayed(std::in_place, visit, 1us, &*loop_);
    is_periodic(kind()) ? periodic->start() : delayed->start();
    while (calls == 0) run_once();
    if (owner_is_gone) {
      periodic.reset();
      delayed.reset();
    }
    EXPECT_EQ(other->stats().pending, 1u);
    other.reset();
    if (owner_is_gone) {
      EXPECT_EQ(alive.use_count(), 2) << "that of `visit` is left";
      run_once();
      EXPECT_EQ(calls, 1);
      continue;
    }
    if (!is_periodic(kind())) delayed->start();
    loop_->start();
    EXPECT_EQ(calls, 2) << "it goes on";
  }
}

// Failures: C10
TEST_P(OwnedTimerTest, DestroyedByItsOwnCallLivesUntilThatIsOver) {
  for (const bool parks : {false, true}) {
    if (parks && !returns_async(kind())) continue;
    Account account;
    account.parks = parks;
    std::optional<Subject> subject;
    account.in_call = [&] {
      subject.reset();
      EXPECT_EQ(account.destroyed(), 0);
      loop_->stop();
    };
    subject.emplace(kind(), account, &*loop_);
    subject->start();
    loop_->start();
    if (parks) {
      EXPECT_EQ(account.destroyed(), 0);
      account.open_gate();
      run_once();
    }
    account.expect_over();
    EXPECT_EQ(account.begun(), 1);
  }
  EXPECT_EQ(loop_->close(), CloseReport());
}

TEST_P(OwnedTimerTest, DestroyedByItsOwnCallThatThrowsLivesUntilThatIsOver) {
  RecordingLoop recording(options());
  account_.in_call = [&] {
    subject_.reset();
    recording.stop();
    throw std::range_error("gone");
  };
  make(&recording);
  subject_->start();
  recording.start();
  recording.add_callback([&] { recording.stop(); });
  recording.start();
  account_.expect_over();
  EXPECT_EQ(recording.errors.size(), 1u);
  EXPECT_EQ(recording.close(), CloseReport());
}

// This thread sets the loop up by adding a callable. The copy constructor of that callable lets
// another thread destroy the timer.
TEST_P(OwnedTimerTest, DestroyedWhileAnotherThreadSetsTheLoopUpWaitsForNobody) {
  struct DestroysWhenCopied {
    std::optional<Subject>* subject;
    explicit DestroysWhenCopied(std::optional<Subject>& of) : subject(&of) {}
    DestroysWhenCopied(const DestroysWhenCopied& other) : subject(other.subject) {
      elsewhere([this] { subject->reset(); });
    }
    void operator()() const {}
  };
  make(&*loop_);
  subject_->start();
  const DestroysWhenCopied destroys(subject_);
  loop_->remove_timeout(loop_->add_timeout(24h, destroys));
  account_.expect_over();
  run_once();
  EXPECT_EQ(account_.begun(), 0) << "the timer that was left has called nothing";
  EXPECT_EQ(loop_->close(), CloseReport()) << "and is gone";
}

TEST_P(OwnedTimerTest, DestroyedWhileItsLoopClosesOnThisThreadAndOnAnother) {
  for (const bool here : {true, false}) {
    Account account;
    IOLoop closing(options());
    std::optional<Subject> subject(std::in_place, kind(), account, &closing, 24h);
    subject->start();
    closing.add_callback([end = std::make_shared<AtDestruction>([&] {
                            here ? subject.reset() : elsewhere([&] { subject.reset(); });
                            account.expect_over();
                          })] {});
    EXPECT_EQ(closing.close(), (CloseReport{1, 1, 0})) << "the timer is closing's to destroy";
    account.expect_over();
  }
}

TEST_P(OwnedTimerTest, DestroyedOnceItsLoopIsClosedOrGone) {
  for (const bool gone : {false, true}) {
    for (const bool here : {true, false}) {
      Account account;
      std::optional<IOLoop> loop(std::in_place, options());
      std::optional<Subject> subject(std::in_place, kind(), account, &*loop, 24h);
      subject->start();
      EXPECT_EQ(loop->close(), (CloseReport{0, 1, 0}));
      if (gone) loop.reset();
      EXPECT_EQ(account.destroyed(), 0);
      here ? subject.reset() : elsewhere([&] { subject.reset(); });
      account.expect_over();
    }
  }
}

// The callable may be the last owner of its loop.
TEST_P(OwnedTimerTest, DestroyedTogetherWithTheLoopThatItsCallableOwns) {
  auto loop = std::make_shared<IOLoop>(options());
  IOLoop& reference = *loop;
  auto periodic = std::make_optional<PeriodicCallback>([owned = std::move(loop)] {}, 24h, &reference);
  periodic->start();
  elsewhere([&] { periodic.reset(); });
}

// ---- ended threads ----

template <class F>
void on_a_thread_that_it_ends(F f) {
  pthread_t thread;
  ASSERT_EQ(::pthread_create(
                &thread, nullptr,
                [](void* body) -> void* {
                  (*static_cast<F*>(body))();
                  return nullptr;
                },
                &f),
            0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
}

TEST_P(OwnedTimerTest, ItsCallThatEndsTheThreadIsOverAndIsCountedOnce) {
  account_.in_call = [] { ::pthread_exit(nullptr); };
  make(&*loop_);
  subject_->start();
  on_a_thread_that_it_ends([&] { loop_->start(); });
  EXPECT_EQ(account_.begun(), 1);
  EXPECT_EQ(account_.ended(), 1);
  EXPECT_EQ(account_.destroyed(), 0);
  EXPECT_FALSE(loop_->is_running());
  EXPECT_EQ(subject_->is_running(), is_periodic(kind()));
  if (!is_periodic(kind())) subject_->start();
  account_.in_call = [&] { loop_->stop(); };
  loop_->start();  // this thread continues the loop
  EXPECT_EQ(account_.begun(), 2) << "one chain of ticks";
  subject_.reset();
  EXPECT_EQ(account_.destroyed(), 1) << "no call is under way";
  account_.expect_over();
  EXPECT_EQ(loop_->close(), CloseReport()) << "no timer is left of a second chain";
}

TEST_P(OwnedTimerTest, DestroyedByItsOwnCallThatEndsTheThreadIsDestroyedOnce) {
  account_.in_call = [&] {
    subject_.reset();
    ::pthread_exit(nullptr);
  };
  make(&*loop_);
  subject_->start();
  on_a_thread_that_it_ends([&] { loop_->start(); });
  account_.expect_over();
  EXPECT_EQ(loop_->close(), CloseReport());
}

// ---- a loop of a LoopThread or a pool ----

class TimerOfAnOwnedLoop
    : public ::testing::TestWithParam<std::tuple<Kind, OwnerKind>> {
 protected:
  static Kind kind() { return std::get<0>(GetParam()); }
  static OwnerKind owner_kind() { return std::get<1>(GetParam()); }
  static void on_loop(LoopOwner& owner, const std::function<void()>& f) {
    owner.loop().submit(f).get();
  }

  const LoopWatchdog watchdog_;
};
std::string kind_and_owner_name(const ::testing::TestParamInfo<std::tuple<Kind, OwnerKind>>& info) {
  return kind_name(std::get<0>(info.param)) + "Of" + owner_name(std::get<1>(info.param));
}
INSTANTIATE_TEST_SUITE_P(Kinds, TimerOfAnOwnedLoop,
                         ::testing::Combine(::testing::ValuesIn(kKinds),
                                            ::testing::ValuesIn(kOwnerKinds)),
                         kind_and_owner_name);

TEST_P(TimerOfAnOwnedLoop, DestroyedElsewhereBeforeItIsDueIsNeverCalledAndLeavesNothing) {
  LoopOwner owner(owner_kind(), {});
  Account account;
  std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop(), 24h);
  on_loop(owner, [&] { subject->start(); });
  subject.reset();
  account.expect_over();
  on_loop(owner, [] {});
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
  EXPECT_EQ(account.begun(), 0);
}

TEST_P(TimerOfAnOwnedLoop, DestroyedNeverStartedIsDestroyedThere) {
  LoopOwner owner(owner_kind(), {});
  Account account;
  std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
  elsewhere([&] { subject.reset(); });
  account.expect_over();
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
}

// It is called all the time, so that the destructor meets a call once in many rounds.
TEST_P(TimerOfAnOwnedLoop, DestroyedElsewhereBetweenItsCallsOrInOneIsNotCalledAgain) {
  LoopOwner owner(owner_kind(), {});
  for (int round = 0; round < 50; ++round) {
    Account account;
    std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
    on_loop(owner, [&] { subject->start(); });
    while (is_periodic(kind()) && account.begun() == 0) std::this_thread::yield();
    subject.reset();
    on_loop(owner, [] {});  // a running call is over
    on_loop(owner, [] {});  // and the posts of its task have run
    account.expect_over_but_for_a_call_under_way();
  }
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
}

TEST_P(TimerOfAnOwnedLoop, DestroyedElsewhereDuringACallWaitsForNobody) {
  LoopOwner owner(owner_kind(), {});
  Account account;
  std::atomic<bool> inside{false};
  std::atomic<bool> may_return{false};
  account.in_call = [&] {
    inside = true;
    while (!may_return) std::this_thread::yield();
  };
  std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
  on_loop(owner, [&] { subject->start(); });
  while (!inside) std::this_thread::yield();
  elsewhere([&] { subject.reset(); });  // must return
  EXPECT_EQ(account.destroyed(), 0) << "a call is under way";
  EXPECT_EQ(account.ended(), 0);
  may_return = true;
  on_loop(owner, [] {});
  on_loop(owner, [] {});
  account.expect_over();
  EXPECT_EQ(account.begun(), 1);
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
}

TEST_P(TimerOfAnOwnedLoop, DestroyedDuringWhatACallHasReturnedWaitsForNobody) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  LoopOwner owner(owner_kind(), {});
  for (const bool on_its_loop : {false, true}) {
    Account account;
    account.parks = true;
    std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
    on_loop(owner, [&] { subject->start(); });
    while (account.begun() == 0) std::this_thread::yield();
    on_loop(owner, [] {});  // the callable has returned
    if (on_its_loop) {
      on_loop(owner, [&] { subject.reset(); });
    } else {
      subject.reset();
    }
    on_loop(owner, [] {});
    EXPECT_EQ(account.destroyed(), 0) << "a call is under way";
    account.open_gate();
    on_loop(owner, [] {});
    on_loop(owner, [] {});
    account.expect_over();
    EXPECT_EQ(account.begun(), 1);
  }
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
}

TEST_P(TimerOfAnOwnedLoop, DestroyedDuringWhatACallHasReturnedGoesWithTheLoopIfThatEndsFirst) {
  if (!returns_async(kind())) GTEST_SKIP() << "its call is over when it returns";
  LoopOwner owner(owner_kind(), {});
  Account account;
  account.parks = true;
  std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
  on_loop(owner, [&] { subject->start(); });
  while (account.begun() == 0) std::this_thread::yield();
  on_loop(owner, [] {});
  subject.reset();
  EXPECT_EQ(account.destroyed(), 0);
  account.loop_leaves_futures_behind(kind());
  owner.stop_and_join();
  account.open_gate();
  account.expect_over();
}

TEST_P(TimerOfAnOwnedLoop, DestroyedWhileItsThreadClosesTheLoop) {
  for (const bool here : {true, false}) {
    LoopOwner owner(owner_kind(), {});
    Account account;
    std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop(), 24h);
    owner.loop().add_callback([&] {
      subject->start();
      owner.stop();
      owner.loop().add_callback([end = std::make_shared<AtDestruction>([&] {
                                   here ? subject.reset() : elsewhere([&] { subject.reset(); });
                                   account.expect_over();
                                 })] {});
    });
    EXPECT_EQ(owner.join(), (CloseReport{1, 1, 0}));
    account.expect_over();
    EXPECT_EQ(account.begun(), 0);
  }
}

TEST_P(TimerOfAnOwnedLoop, DestroyedAtTheEndOfItsLoopsThread) {
  Account account;
  std::optional<Subject> subject;
  LoopOwner owner(owner_kind(), {}, {.start =
                                         [&] {
                                           subject.emplace(kind(), account, nullptr, 24h);
                                           subject->start();
                                         },
                                     .end =
                                         [&] {
                                           EXPECT_FALSE(subject->is_running());
                                           subject->stop();
                                           EXPECT_THROW(subject->start(), LoopClosedError);
                                           subject.reset();
                                           account.expect_over();
                                         }});
  EXPECT_EQ(owner.stop_and_join(), (CloseReport{0, 1, 0}));
  account.expect_over();
}

TEST_P(TimerOfAnOwnedLoop, DestroyedOnceItsLoopsThreadHasEndedOrTheLoopIsGone) {
  for (const bool gone : {false, true}) {
    std::optional<LoopOwner> owner(std::in_place, owner_kind(), LoopOptions());
    Account account;
    std::optional<Subject> subject(std::in_place, kind(), account, &owner->loop(), 24h);
    on_loop(*owner, [&] { subject->start(); });
    EXPECT_EQ(owner->stop_and_join(), (CloseReport{0, 1, 0}));
    if (gone) owner.reset();
    subject.reset();
    account.expect_over();
  }
}

TEST_P(TimerOfAnOwnedLoop, ItsCallThatEndsTheLoopsThreadIsOverWhenThatHasEnded) {
  for (const bool destroyed_in_call : {false, true}) {
    LoopOwner owner(owner_kind(), {});
    Account account;
    std::optional<Subject> subject(std::in_place, kind(), account, &owner.loop());
    account.in_call = [&] {
      if (destroyed_in_call) subject.reset();
      ::pthread_exit(nullptr);
    };
    on_loop(owner, [&] { subject->start(); });
    while (!owner.loop().is_closed()) std::this_thread::yield();
    owner.stop_and_join();
    EXPECT_EQ(account.begun(), 1);
    EXPECT_EQ(account.ended(), 1);
    subject.reset();
    account.expect_over();
  }
}

// The destruction may meet any stage of the loop's end.
// Failures: C10
TEST_P(TimerOfAnOwnedLoop, DestroyedElsewhereAtAnyMomentOfTheLoopsEnd) {
  const std::uint64_t rounds = stress_count(100) + 5;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Account account;
    std::optional<LoopOwner> owner(std::in_place, owner_kind(), LoopOptions());
    std::optional<Subject> subject(std::in_place, kind(), account, &owner->loop());
    on_loop(*owner, [&] { subject->start(); });
    std::atomic<bool> go{false};
    std::thread destroyer([&] {
      while (!go) continue;
      for (std::uint64_t i = 0; i < round % 20; ++i) std::this_thread::yield();
      subject.reset();
    });
    go = true;
    if (round % 3 == 0) owner->stop_and_join();
    owner.reset();
    destroyer.join();
    account.expect_over_but_for_a_call_under_way();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

}  // namespace
}  // namespace zmqloop::testing
