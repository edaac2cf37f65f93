// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests without a loop which thread has it: every state, seen from its thread and from others.

#include "zmqloop/runtime/core/loop_affinity.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_watchdog.h"
#include "tests/support/stress_counts.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Access = LoopAffinity::Access;
using AfterClose = LoopAffinity::AfterClose;
using Owner = LoopAffinity::Owner;
using Use = LoopAffinity::Use;

template <class F>
auto elsewhere(F f) {
  std::optional<std::invoke_result_t<F&>> result;
  std::thread([&] { result.emplace(f()); }).join();
  return *result;
}

// The outcome of a call that belongs to the loop's thread.
enum class Verdict { kGranted, kDoesNothing, kWrongThread, kClosed };

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  return out << std::array{"granted", "does nothing", "wrong thread", "closed"}.at(
             static_cast<std::size_t>(verdict));
}

class LoopAffinityTest : public ::testing::Test {
 protected:
  Verdict call(AfterClose after_close = AfterClose::kThrows) {
    try {
      const Access access(affinity_, "call", after_close);
      return access.is_granted() ? Verdict::kGranted : Verdict::kDoesNothing;
    } catch (const LoopClosedError&) {
      return Verdict::kClosed;
    } catch (const std::logic_error& error) {
      message_ = error.what();
      return Verdict::kWrongThread;
    }
  }
  Verdict removal() { return call(AfterClose::kNothing); }
  Use use() {
    bool used = false;
    const Use result = affinity_.try_use([&]() noexcept { used = true; });
    EXPECT_EQ(used, result == Use::kDone);
    return result;
  }

  // Run and close it as IOLoop does.
  template <class F>
  void run(F f) {
    affinity_.take_to_run("run");
    f();
    affinity_.end_run();
  }
  template <class F>
  void close(F f) {
    ASSERT_TRUE(affinity_.take_to_close("close"));
    f();
    affinity_.end_close();
  }

  const LoopWatchdog watchdog_;
  LoopAffinity affinity_{"tested", Owner::kUser};
  std::string message_;
};

// ---- a loop of the user's own ----

TEST_F(LoopAffinityTest, LetsAnyThreadInTurnSetALoopUpThatIsAtRest) {
  EXPECT_EQ(call(), Verdict::kGranted);
  EXPECT_EQ(elsewhere([&] { return call(); }), Verdict::kGranted);
  EXPECT_EQ(removal(), Verdict::kGranted);
  EXPECT_FALSE(affinity_.is_here());
  EXPECT_FALSE(affinity_.is_running());
  EXPECT_FALSE(affinity_.is_closed());
}

TEST_F(LoopAffinityTest, LetsACallBeMadeWithinAnother) {
  const Access outer(affinity_, "outer");
  EXPECT_EQ(call(), Verdict::kGranted);
  EXPECT_EQ(call(), Verdict::kGranted);
}

TEST_F(LoopAffinityTest, GrantsCallsOfARunningLoopToItsThreadAndRefusesThemToOthersNamingBoth) {
  run([&] {
    const std::string runner = current_thread_label();
    EXPECT_TRUE(affinity_.is_here());
    EXPECT_TRUE(affinity_.is_running());
    EXPECT_EQ(call(), Verdict::kGranted);
    std::thread([&] {
      EXPECT_FALSE(affinity_.is_here());
      EXPECT_TRUE(affinity_.is_running());
      EXPECT_EQ(call(), Verdict::kWrongThread);
      EXPECT_EQ(removal(), Verdict::kWrongThread);
      EXPECT_THAT(message_, AllOf(HasSubstr("call: "), HasSubstr("'tested'"), HasSubstr(runner),
                                  HasSubstr("called on " + current_thread_label())));
    }).join();
  });
}

TEST_F(LoopAffinityTest, IsAtRestAgainBetweenRunsForAnyThread) {
  std::thread([&] { run([&] { EXPECT_TRUE(affinity_.is_here()); }); }).join();
  EXPECT_EQ(call(), Verdict::kGranted);
  run([&] { EXPECT_EQ(call(), Verdict::kGranted); });
  EXPECT_EQ(elsewhere([&] { return call(); }), Verdict::kGranted);
}

TEST_F(LoopAffinityTest, RefusesASecondRunAndACloseWhileItRunsNamingBothThreads) {
  run([&] {
    const std::string runner = current_thread_label();
    std::thread([&] {
      const auto both = AllOf(HasSubstr("'tested'"), HasSubstr("runs on " + runner),
                              HasSubstr("called on " + current_thread_label()));
      for (const auto& take : std::vector<std::function<void()>>{
               [&] { affinity_.take_to_run("run"); }, [&] { affinity_.take_to_close("close"); }}) {
        try {
          take();
          ADD_FAILURE() << "was taken";
        } catch (const std::logic_error& error) {
          EXPECT_THAT(error.what(), both);
        }
      }
    }).join();
    EXPECT_THROW(affinity_.take_to_run("run"), std::logic_error) << "on its own thread, too";
    EXPECT_THROW(affinity_.take_to_close("close"), std::logic_error);
    EXPECT_TRUE(affinity_.is_running());
  });
}

TEST_F(LoopAffinityTest, RefusesAllThatAddsOnceClosedAndIgnoresAllThatRemoves) {
  close([&] {
    EXPECT_TRUE(affinity_.is_closed());
    EXPECT_TRUE(affinity_.is_here());
    EXPECT_EQ(call(), Verdict::kClosed);
    EXPECT_EQ(removal(), Verdict::kGranted) << "what is left is there for the closing thread";
    EXPECT_EQ(elsewhere([&] { return call(); }), Verdict::kClosed);
    EXPECT_EQ(elsewhere([&] { return removal(); }), Verdict::kDoesNothing);
    EXPECT_FALSE(affinity_.take_to_close("close")) << "it is being closed";
  });
  EXPECT_FALSE(affinity_.is_here());
  EXPECT_EQ(call(), Verdict::kClosed);
  EXPECT_EQ(removal(), Verdict::kDoesNothing);
  EXPECT_THROW(affinity_.take_to_run("run"), LoopClosedError);
  EXPECT_FALSE(affinity_.take_to_close("close"));
}

// ---- a loop that belongs to a thread for life ----

class LoopOfAThread : public LoopAffinityTest {
 protected:
  LoopOfAThread() : affinity_of_a_thread_("young", Owner::kItsThread) {}

  static Verdict call(LoopAffinity& affinity, AfterClose after_close = AfterClose::kThrows) {
    try {
      const Access access(affinity, "call", after_close);
      return access.is_granted() ? Verdict::kGranted : Verdict::kDoesNothing;
    } catch (const LoopClosedError&) {
      return Verdict::kClosed;
    } catch (const std::logic_error&) {
      return Verdict::kWrongThread;
    }
  }
  // Expects that other threads may do nothing, and that each refusal names `owner`.
  void expect_nothing_elsewhere(const std::string& owner) {
    std::thread([&] {
      LoopAffinity& affinity = affinity_of_a_thread_;
      const std::vector<std::function<void()>> attempts = {
          [&] { const Access access(affinity, "attempt"); },
          [&] { const Access access(affinity, "attempt", AfterClose::kNothing); },
          [&] { affinity.take_to_run("attempt"); },
          [&] { affinity.require_owner("attempt"); },
      };
      for (const auto& attempt : attempts) {
        try {
          attempt();
          ADD_FAILURE() << "was granted";
        } catch (const LoopClosedError& error) {
          ADD_FAILURE() << error.what();
        } catch (const std::logic_error& error) {
          EXPECT_THAT(error.what(), AllOf(HasSubstr("attempt: "), HasSubstr("'young'"),
                                          HasSubstr("belongs to " + owner),
                                          HasSubstr("called on " + current_thread_label())));
        }
      }
      EXPECT_EQ(affinity.try_use([]() noexcept { ADD_FAILURE() << "used"; }), Use::kElsewhere);
      EXPECT_FALSE(affinity.is_here());
    }).join();
  }

  LoopAffinity affinity_of_a_thread_;
};

TEST_F(LoopOfAThread, IsNobodyElsesBeforeThatThreadHasBegun) {
  expect_nothing_elsewhere("a thread of its own (young) that has yet to begin");
  EXPECT_EQ(call(affinity_of_a_thread_), Verdict::kWrongThread) << "here neither";
}

TEST_F(LoopOfAThread, IsNobodyElsesBeforeDuringBetweenAndAfterItsRuns) {
  LoopAffinity& affinity = affinity_of_a_thread_;
  affinity.begin_ownership();
  const std::string owner = current_thread_label();
  const auto expect_only_here = [&] {
    expect_nothing_elsewhere(owner);
    EXPECT_TRUE(affinity.is_here());
    EXPECT_EQ(call(affinity), Verdict::kGranted);
    EXPECT_NO_THROW(affinity.require_owner("here"));
    EXPECT_EQ(affinity.try_use([]() noexcept {}), Use::kDone);
  };
  for (int runs = 0; runs < 2; ++runs) {
    expect_only_here();
    affinity.take_to_run("run");
    EXPECT_TRUE(affinity.is_running());
    expect_only_here();
    affinity.end_run();
  }
  expect_only_here();
  ASSERT_TRUE(affinity.take_to_close("close"));
  affinity.end_close();
  affinity.end_ownership();
}

TEST_F(LoopOfAThread, IsClosedForAllOnceItsThreadHasBegunToCloseIt) {
  LoopAffinity& affinity = affinity_of_a_thread_;
  affinity.begin_ownership();
  ASSERT_TRUE(affinity.take_to_close("close"));
  const auto expect_closed_elsewhere = [&] {
    EXPECT_EQ(elsewhere([&] { return call(affinity); }), Verdict::kClosed);
    EXPECT_EQ(elsewhere([&] { return call(affinity, AfterClose::kNothing); }),
              Verdict::kDoesNothing);
    EXPECT_NO_THROW(elsewhere([&] { return affinity.require_owner("close"), 0; }));
    EXPECT_FALSE(elsewhere([&] { return affinity.take_to_close("close"); }));
    EXPECT_EQ(elsewhere([&] { return affinity.try_use([]() noexcept {}); }), Use::kClosed);
    EXPECT_EQ(affinity.try_use([]() noexcept {}), Use::kClosed);
  };
  expect_closed_elsewhere();
  EXPECT_EQ(call(affinity), Verdict::kClosed);
  affinity.end_close();
  EXPECT_TRUE(affinity.is_here()) << "also once it is closed, until its thread has ended";
  expect_closed_elsewhere();
  affinity.end_ownership();
  EXPECT_FALSE(affinity.is_here());
  expect_closed_elsewhere();
}

TEST_F(LoopOfAThread, IsClosedByItsMakerIfItsThreadNeverCame) {
  LoopAffinity& affinity = affinity_of_a_thread_;
  EXPECT_TRUE(affinity.take_to_close("~IOLoop"));
  affinity.end_close();
  EXPECT_TRUE(affinity.is_closed());
  EXPECT_EQ(call(affinity), Verdict::kClosed);
}

// ---- try_use() ----

TEST_F(LoopAffinityTest, LetsADestructorUseALoopAtRestOnAnyThread) {
  EXPECT_EQ(use(), Use::kDone);
  EXPECT_EQ(elsewhere([&] { return use(); }), Use::kDone);
  EXPECT_EQ(call(), Verdict::kGranted) << "it has let go of it";
  run([] {});
  EXPECT_EQ(use(), Use::kDone);
}

TEST_F(LoopAffinityTest, LetsADestructorUseALoopThatRunsHereAndSendsItAwayIfItRunsElsewhere) {
  run([&] {
    EXPECT_EQ(use(), Use::kDone);
    EXPECT_EQ(elsewhere([&] { return use(); }), Use::kElsewhere);
    EXPECT_TRUE(affinity_.is_running()) << "and nothing has changed";
    EXPECT_EQ(call(), Verdict::kGranted);
  });
}

TEST_F(LoopAffinityTest, SendsADestructorAwayWhileAnotherThreadSetsTheLoopUp) {
  {
    const Access setting_up(affinity_, "set-up");
    EXPECT_EQ(elsewhere([&] { return use(); }), Use::kElsewhere);
    EXPECT_EQ(call(), Verdict::kGranted) << "it has let go of it";
  }
  EXPECT_EQ(elsewhere([&] { return use(); }), Use::kDone);
}

TEST_F(LoopAffinityTest, LetsADestructorUseALoopThatItsOwnThreadSetsUp) {
  const Access setting_up(affinity_, "set-up");
  EXPECT_EQ(use(), Use::kDone);
  EXPECT_EQ(use(), Use::kDone);
  EXPECT_EQ(elsewhere([&] { return use(); }), Use::kElsewhere) << "it is still being set up";
}

TEST_F(LoopAffinityTest, SendsADestructorAwayWhileAnotherOneUsesTheLoop) {
  Use inner = Use::kDone;
  EXPECT_EQ(affinity_.try_use([&]() noexcept { inner = elsewhere([&] { return use(); }); }),
            Use::kDone);
  EXPECT_EQ(inner, Use::kElsewhere);
  EXPECT_EQ(use(), Use::kDone);
}

TEST_F(LoopAffinityTest, HasADestructorsUseEndBeforeACallARunOrACloseBegins) {
  const std::vector<std::function<void()>> takers = {
      [&] { EXPECT_EQ(call(), Verdict::kGranted); },
      [&] { run([] {}); },
      [&] { close([] {}); },
  };
  for (const auto& take : takers) {
    std::atomic<bool> over{false};
    std::thread taker;
    const Use result = affinity_.try_use([&]() noexcept {
      std::atomic<bool> begun{false};
      taker = std::thread([&] {
        begun = true;
        take();
        EXPECT_TRUE(over) << "two threads had the loop";
      });
      while (!begun) std::this_thread::yield();
      for (int i = 0; i < 1'000; ++i) std::this_thread::yield();  // time for take() to go wrong
      over = true;
    });
    taker.join();
    EXPECT_EQ(result, Use::kDone);
  }
}

TEST_F(LoopAffinityTest, LeavesAClosedLoopsTimersToTheClosing) {
  close([&] {
    EXPECT_EQ(use(), Use::kClosed);
    EXPECT_EQ(elsewhere([&] { return use(); }), Use::kClosed);
  });
  EXPECT_EQ(use(), Use::kClosed);
  EXPECT_EQ(elsewhere([&] { return use(); }), Use::kClosed);
}

// ---- forked children ----

TEST_F(LoopAffinityTest, IsTheParentsInAForkedChildWhateverItsState) {
  const auto expect_foreign = [&] {
    const ChildResult child = run_in_child([&] {
      ZMQLOOP_CHILD_EXPECT(affinity_.is_foreign());
      ZMQLOOP_CHILD_EXPECT(!affinity_.is_running());
      ZMQLOOP_CHILD_EXPECT(affinity_.is_closed());
      ZMQLOOP_CHILD_EXPECT(use() == Use::kClosed);
      ZMQLOOP_CHILD_EXPECT(call() == Verdict::kWrongThread);
      ZMQLOOP_CHILD_EXPECT(removal() == Verdict::kWrongThread);
      ZMQLOOP_CHILD_EXPECT(message_.find("forked child") != std::string::npos);
      ZMQLOOP_CHILD_EXPECT_THROW(affinity_.take_to_run("run"), std::logic_error);
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
  };
  expect_foreign();
  {
    const Access setting_up(affinity_, "set-up");
    expect_foreign();
  }
  run(expect_foreign);
  EXPECT_EQ(call(), Verdict::kGranted) << "the parent's is as it was";
  close(expect_foreign);
}

// ---- all at once ----

// Stands for the timers that the affinity guards. ThreadSanitizer, too, sees two threads in it.
class Timers {
 public:
  void use() {
    if (inside_.exchange(true)) ++intrusions_;
    ++uses_;
    inside_ = false;
  }
  int intrusions() const { return intrusions_; }

 private:
  std::atomic<bool> inside_{false};
  std::uint64_t uses_ = 0;
  std::atomic<int> intrusions_{0};
};

// Failures: C9
TEST_F(LoopAffinityTest, NeverLetsTwoThreadsInWhateverSetsUpRunsAndDestroysAtOnce) {
  const std::uint64_t rounds = light_stress_count(200'000);
  Timers timers;
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> sent_away{0};
  // One thread sets up and runs in turn, which is the rule for users. Destructors keep no rule.
  std::thread user([&] {
    for (std::uint64_t i = 0; i < rounds; ++i) {
      {
        const Access access(affinity_, "set-up");
        timers.use();
      }
      affinity_.take_to_run("run");
      timers.use();
      affinity_.end_run();
    }
  });
  std::vector<std::thread> destructors;
  for (int i = 0; i < 2; ++i) {
    destructors.emplace_back([&] {
      for (std::uint64_t n = 0; n < rounds; ++n) {
        const Use result = affinity_.try_use([&]() noexcept { timers.use(); });
        result == Use::kDone ? ++done : ++sent_away;
      }
      });
  }
  user.join();
  for (std::thread& destructor : destructors) destructor.join();
  EXPECT_EQ(timers.intrusions(), 0);
  EXPECT_EQ(done + sent_away, 2 * rounds);
  EXPECT_EQ(use(), Use::kDone) << "everybody has let go of it";
}

TEST_F(LoopAffinityTest, LetsOneThreadCloseWhileDestructorsComeAndNoneAfterIt) {
  const std::uint64_t rounds = light_stress_count(5'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    LoopAffinity affinity("tested", Owner::kUser);
    Timers timers;
    std::atomic<bool> closed{false};
    std::atomic<int> late{0};
    std::thread destructor([&] {
      for (;;) {
        const bool was_closed = closed;
        const Use result = affinity.try_use([&]() noexcept { timers.use(); });
        if (was_closed && result != Use::kClosed) ++late;
        if (result == Use::kClosed) return;
        std::this_thread::yield();
      }
    });
    if (round % 2 == 0) std::this_thread::yield();
    ASSERT_TRUE(affinity.take_to_close("close"));
    closed = true;
    timers.use();
    affinity.end_close();
    destructor.join();
    ASSERT_EQ(late, 0) << "round " << round;
    ASSERT_EQ(timers.intrusions(), 0) << "round " << round;
  }
}

}  // namespace
}  // namespace zmqloop::testing
