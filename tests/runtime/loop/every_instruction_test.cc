// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Signal handlers that post after every single instruction of the calls they interrupt.
//
// Two loops, one of them with the interrupted posts, count the accepted posts and check that each
// runs once and in order: a post that returned before another began runs before it, whether it was
// made in a handler or in the interrupted code.

#include "tests/support/every_instruction.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <semaphore>
#include <signal.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <time.h>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <zmq.h>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

// ---- the harness itself ----

class EveryInstructionHarness : public ::testing::Test {
 protected:
  void SetUp() override {
    if (EveryInstruction::kWhyNot != nullptr) GTEST_SKIP() << EveryInstruction::kWhyNot;
  }
};

#if defined(__x86_64__)
TEST_F(EveryInstructionHarness, CallsTheHandlerOnceForEachInstruction) {
  std::uint64_t calls = 0;
  std::uint64_t out_of_order = 0;
  EveryInstruction interrupted([&](const EveryInstruction::Point& point) {
    if (point.number != ++calls) ++out_of_order;
  });
  const std::uint64_t few = interrupted.run([] { asm volatile(".rept 10\n\tnop\n\t.endr"); });
  EXPECT_EQ(calls, few);
  calls = 0;
  const std::uint64_t many = interrupted.run([] { asm volatile(".rept 110\n\tnop\n\t.endr"); });
  EXPECT_EQ(calls, many);
  EXPECT_EQ(many - few, 100u);
  EXPECT_EQ(out_of_order, 0u);
}

TEST_F(EveryInstructionHarness, CallsTheHandlerAtTheInstructionAskedForOnly) {
  std::uint64_t at = 0;
  std::uint64_t calls = 0;
  EveryInstruction interrupted([&](const EveryInstruction::Point& point) {
    at = point.number;
    ++calls;
  });
  const auto body = [] { asm volatile(".rept 10\n\tnop\n\t.endr"); };
  const std::uint64_t all = interrupted.run(body);
  for (std::uint64_t k = 1; k <= all; ++k) {
    calls = 0;
    EXPECT_TRUE(interrupted.run_to(k, body));
    EXPECT_EQ(at, k);
    EXPECT_EQ(calls, 1u);
  }
  calls = 0;
  EXPECT_FALSE(interrupted.run_to(all + 1, body));
  EXPECT_EQ(calls, 0u);
}
#endif

volatile std::uint64_t spins_of_handler = 0;

TEST_F(EveryInstructionHarness, StepsThroughTheKernelAndNotThroughHandlers) {
  constexpr std::uint64_t kSpins = 100'000;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {
    for (std::uint64_t i = 0; i < kSpins; ++i) spins_of_handler = spins_of_handler + 1;
  };
  ::sigaction(SIGUSR1, &action, &before);
  spins_of_handler = 0;
  long thread = 0;
  timespec now = {};
  std::uint64_t calls = 0;
  std::uint64_t calls_at_the_end = 0;
  EveryInstruction interrupted([&](const EveryInstruction::Point&) { ++calls; });
  const std::uint64_t points = interrupted.run([&] {
    thread = ::syscall(SYS_gettid);
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    ::syscall(SYS_tgkill, ::getpid(), thread, SIGUSR1);
    calls_at_the_end = calls;
    for (int i = 0; i < 10; ++i) spins_of_handler = spins_of_handler + 1;
  });
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(thread, ::syscall(SYS_gettid));
  EXPECT_GT(now.tv_sec, 0);
  EXPECT_EQ(spins_of_handler, kSpins + 10);
  EXPECT_LT(points, kSpins);
  EXPECT_GT(points, calls_at_the_end) << "stepping went on behind the handler";
}

// ---- loops that keep books ----

// A loop on its own thread, which restarts it after each stop. Counts the posts it was given and
// those that have run.
class Target {
 public:
  explicit Target(IOLoop::Options options)
      : loop_(std::move(options)),
        raised_(loop_.prepare_signal_callback([this](std::uint64_t raises) {
          raises_run_ += raises;
          ++calls_of_raised_;
        })),
        runner_([this] { run(); }) {
    LoopWatchdog::watch(loop_);
    thread_ = loop_.submit([] { return ::gettid(); }).get();
  }
  ~Target() { end(); }

  IOLoop& loop() { return loop_; }

  // A post of the interrupted code.
  struct Ordinary {
    Target* target;
    std::uint64_t number;
    std::uint64_t signals_before;  // posts of handlers that had been accepted before it began
    void operator()() const { target->take(*this); }
  };
  Ordinary next_ordinary() { return {this, ordinary_accepted_, signals_accepted_}; }
  void was_posted(bool accepted) { ++(accepted ? ordinary_accepted_ : ordinary_refused_); }

  // ---- in a handler ----

  void post_from_handler() {
    const bool accepted =
        loop_.add_callback_from_signal(FromHandler{this, signals_accepted_, ordinary_accepted_});
    ++(accepted ? signals_accepted_ : signals_refused_);
  }
  void raise_from_handler() { ++(raised_.raise() ? raises_accepted_ : raises_refused_); }

  // ---- the test's thread ----

  SignalCallback& raised() { return raised_; }
  void count_raise(bool accepted) { ++(accepted ? raises_accepted_ : raises_refused_); }
  // Counts the posts of the interrupted code as posts of handlers: it uses the same function.
  void expect_ordinary_posts_from_signals() { ordinary_is_from_signal_ = true; }

  // Keeps the loop busy with one callback until release().
  void hold() {
    loop_.add_callback([this] { held_.acquire(); });
  }
  void release() { held_.release(); }

  // Waits until the loop's thread sleeps, most probably in its poll.
  bool falls_asleep() {
    return eventually([this] { return thread_status(thread_, "State").substr(0, 1) == "S"; });
  }
  // Waits until the loop was stopped `times` times.
  void wait_for_stops(std::uint64_t times) {
    for (std::uint64_t seen = stops_; seen < times; seen = stops_) stops_.wait(seen);
  }
  // Returns how often the loop was stopped, end() included.
  std::uint64_t stops() const { return stops_; }

  // Stops the loop for good; posts accepted from now on wait.
  void end() {
    if (!runner_.joinable()) return;
    ended_ = true;
    loop_.stop();
    runner_.join();
  }

  // Lets the loop run all its posts, and compares the counts.
  void expect_all_run() {
    if (!loop_.is_closed()) loop_.submit([] {}).get();
    EXPECT_EQ(out_of_order_, 0u) << loop_.name();
    EXPECT_EQ(ordinary_run_, ordinary_accepted_) << loop_.name();
    EXPECT_EQ(signals_run_, signals_accepted_) << loop_.name();
    EXPECT_EQ(raises_run_, raises_accepted_) << loop_.name();
    const LoopStats stats = loop_.stats();
    const bool ordinary_too = ordinary_is_from_signal_;
    EXPECT_EQ(stats.posts_refused, ordinary_too ? 0 : ordinary_refused_);
    EXPECT_EQ(stats.signal_posts_accepted,
              signals_accepted_ + calls_of_raised_ + (ordinary_too ? ordinary_accepted_ : 0));
    EXPECT_EQ(stats.signal_posts_refused,
              signals_refused_ + first_raises_refused() + (ordinary_too ? ordinary_refused_ : 0));
    EXPECT_EQ(stats.callback_exceptions, 0u);
  }
  std::uint64_t signals_accepted() const { return signals_accepted_; }
  std::uint64_t signals_refused() const { return signals_refused_; }
  std::uint64_t raises_refused() const { return raises_refused_; }

 private:
  struct FromHandler {
    Target* target;
    std::uint64_t number;
    std::uint64_t ordinary_before;  // posts that had returned before it began
    void operator()() const { target->take(*this); }
  };

  // On the loop's thread.
  void take(const Ordinary& post) {
    if (post.number != ordinary_run_ || signals_run_ < post.signals_before) ++out_of_order_;
    ++ordinary_run_;
  }
  void take(const FromHandler& post) {
    if (post.number != signals_run_ || ordinary_run_ < post.ordinary_before) ++out_of_order_;
    ++signals_run_;
  }
  void run() {
    while (!ended_) {
      loop_.start();
      ++stops_;
      stops_.notify_all();
    }
  }
  // Of the raises after close(), only the first asks the loop and is counted there as refused.
  std::uint64_t first_raises_refused() const { return raises_refused_ != 0 ? 1 : 0; }

  // Shared.
  IOLoop loop_;
  std::counting_semaphore<> held_{0};
  std::atomic<std::uint64_t> stops_{0};
  std::atomic<bool> ended_{false};
  pid_t thread_ = 0;

  // Posting thread only, and the handlers that interrupt it.
  bool ordinary_is_from_signal_ = false;
  std::uint64_t ordinary_accepted_ = 0;
  std::uint64_t ordinary_refused_ = 0;
  std::uint64_t signals_accepted_ = 0;
  std::uint64_t signals_refused_ = 0;
  std::uint64_t raises_accepted_ = 0;
  std::uint64_t raises_refused_ = 0;

  // Loop thread only; any thread once the loop has run everything.
  std::uint64_t ordinary_run_ = 0;
  std::uint64_t signals_run_ = 0;
  std::uint64_t raises_run_ = 0;
  std::uint64_t calls_of_raised_ = 0;
  std::uint64_t out_of_order_ = 0;

  SignalCallback raised_;
  std::thread runner_;
};

// ---- calls that are interrupted ----

enum class Does { kPostsHere, kPostsElsewhere, kRaises };

std::string variant_name(const ::testing::TestParamInfo<std::tuple<PollerKind, Does>>& info) {
  const char* const does[] = {"PostsHere", "PostsElsewhere", "Raises"};
  return std::string(std::get<0>(info.param) == PollerKind::kEpoll ? "Epoll" : "ZmqPoll") +
         does[static_cast<std::size_t>(std::get<1>(info.param))];
}

class EveryInstructionOf : public ::testing::TestWithParam<std::tuple<PollerKind, Does>> {
 protected:
  void SetUp() override {
    if (EveryInstruction::kWhyNot != nullptr) GTEST_SKIP() << EveryInstruction::kWhyNot;
  }
  void TearDown() override {
    EXPECT_EQ(errno_changed_, 0u);
    RecordProperty("interruptions", std::to_string(interruptions_));
    RecordProperty("instructions_stepped_through", std::to_string(points_));
    RecordProperty("longest_call", std::to_string(longest_));
  }

  static IOLoop::Options options(const char* name) {
    IOLoop::Options options;
    options.poller = std::get<0>(GetParam());
    options.name = name;
    options.idle_spin = Duration::zero();
    options.signal_slots = 1 << 16;
    options.turn_budget = Duration::max();  // a turn cut short would run handlers' posts early
    return options;
  }

  // A compare-and-swap loop never ends if a successful post interrupts each of its attempts. So
  // after kWithoutPause instructions of a call, every other kPause instructions are left alone.
  static constexpr std::uint64_t kWithoutPause = 10'000;
  static constexpr std::uint64_t kPause = 64;

  // The body of the signal handler.
  void interrupt(const EveryInstruction::Point& point) {
    if (point.next == reinterpret_cast<std::uintptr_t>(&zmq_send)) ringing_ = true;
    if (!ringing_ && only_while_ringing_) return;
    if (point.number > kWithoutPause && point.number / kPause % 2 == 0) return;
    const int saved_errno = errno;
    errno = 4711;
    switch (std::get<1>(GetParam())) {
      case Does::kPostsHere:
        here_.post_from_handler();
        break;
      case Does::kPostsElsewhere:
        elsewhere_.post_from_handler();
        break;
      case Does::kRaises:
        here_.raise_from_handler();
    }
    if (errno != 4711) ++errno_changed_;
    errno = saved_errno;
    ++interruptions_;
  }

  void count(std::uint64_t points) {
    points_ += points;
    longest_ = std::max(longest_, points);
  }
  // Calls `post(Ordinary)`, interrupted after each instruction; returns the number of instructions.
  template <class F>
  std::uint64_t interrupt_everywhere(F&& post) {
    const Target::Ordinary next = here_.next_ordinary();
    bool accepted = false;
    const std::uint64_t points = interrupted_.run([&] { accepted = post(next); });
    here_.was_posted(accepted);
    count(points);
    return points;
  }
  // Instructions to advance from call to call. The cost grows with the square of the call's length,
  // which is several times as long in an unoptimised build.
#if defined(__OPTIMIZE__)
  static constexpr std::uint64_t kStride = 1;
#else
  static constexpr std::uint64_t kStride = 7;
#endif

  // Calls `post` repeatedly, interrupted once: after instruction 1, then 1 + kStride and so on.
  // Ends once five calls were over before the interruption, as some calls take a shorter path.
  template <class F>
  void interrupt_once_everywhere(F&& post) {
    for (std::uint64_t k = 1, shorter = 0; shorter < 5;) {
      const Target::Ordinary next = here_.next_ordinary();
      bool accepted = false;
      const bool reached = interrupted_.run_to(k, [&] { accepted = post(next); });
      here_.was_posted(accepted);
      reached ? k += kStride : ++shorter;
    }
  }
  template <class F>
  void interrupt_both_ways(F&& post) {
    for (int call = 0; call < 20; ++call) interrupt_everywhere(post);
    interrupt_once_everywhere(post);
  }
  void expect_all_run() {
    here_.expect_all_run();
    elsewhere_.expect_all_run();
    EXPECT_GT(interruptions_, 0u);
  }

  const LoopWatchdog watchdog_;
  Target here_{options("here")};
  Target elsewhere_{options("elsewhere")};
  EveryInstruction interrupted_{[this](const EveryInstruction::Point& p) { interrupt(p); }};
  bool only_while_ringing_ = false;
  bool ringing_ = false;  // zmq_send was called
  std::uint64_t interruptions_ = 0;
  std::uint64_t errno_changed_ = 0;
  std::uint64_t points_ = 0;
  std::uint64_t longest_ = 0;
};
INSTANTIATE_TEST_SUITE_P(
    Variants, EveryInstructionOf,
    ::testing::Combine(::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll),
                       ::testing::Values(Does::kPostsHere, Does::kPostsElsewhere, Does::kRaises)),
    variant_name);

// ---- add_callback ----

TEST_P(EveryInstructionOf, Rel_E1_E6_AddCallback) {
  interrupt_both_ways(
      [this](const Target::Ordinary& post) { return here_.loop().add_callback(post); });
  expect_all_run();
}

// Owns memory and counts its destruction.
class Owner {
 public:
  Owner(const Target::Ordinary& post, std::uint64_t& destroyed)
      : post_(std::make_unique<Target::Ordinary>(post)), destroyed_(&destroyed) {}
  Owner(Owner&&) noexcept = default;
  Owner& operator=(Owner&&) = delete;
  ~Owner() {
    if (post_ != nullptr) ++*destroyed_;
  }
  void operator()() const { (*post_)(); }

 private:
  std::unique_ptr<Target::Ordinary> post_;
  std::uint64_t* destroyed_;
};

TEST_P(EveryInstructionOf, AddCallbackOfACallableWithADestructor) {
  std::uint64_t posted = 0;
  std::uint64_t destroyed = 0;  // on the loop's thread
  interrupt_both_ways([&](const Target::Ordinary& post) {
    ++posted;
    return here_.loop().add_callback(Owner(post, destroyed));
  });
  expect_all_run();
  EXPECT_EQ(destroyed, posted);
}

TEST_P(EveryInstructionOf, AddCallbackOfACallableThatIsTooLargeForItsSlot) {
  struct Large {
    Target::Ordinary post;
    std::array<std::uint64_t, 20> more;
    void operator()() const { post(); }
  };
  for (int call = 0; call < 20; ++call) {  // too slow for interrupt_once_everywhere()
    interrupt_everywhere([this](const Target::Ordinary& post) {
      return here_.loop().add_callback(Large{post, {}});
    });
  }
  expect_all_run();
}

// Threads that post for the first time while earlier ones still live: each takes a new lane.
TEST_P(EveryInstructionOf, TheFirstAddCallbackOfAThread) {
  const std::function<void(int)> post_and_go_on = [&](int threads) {
    interrupt_everywhere(
        [this](const Target::Ordinary& post) { return here_.loop().add_callback(post); });
    if (threads > 1) std::thread(post_and_go_on, threads - 1).join();
  };
  std::thread(post_and_go_on, 8).join();
  // These threads take over the lanes of the ended ones.
  for (int i = 0; i < 8; ++i) std::thread(post_and_go_on, 1).join();
  expect_all_run();
}

// The loop is busy and does not drain the lane, so that it grows by ever larger segments.
TEST_P(EveryInstructionOf, AddCallbackAtTheEndOfALanesSegment) {
  constexpr int kPosts = 200;
  here_.hold();
  std::uint64_t shortest = ~std::uint64_t{0};
  std::uint64_t longest = 0;
  std::thread([&] {
    const auto post = [this](const Target::Ordinary& next) {
      return here_.loop().add_callback(next);
    };
    interrupt_everywhere(post);  // takes the lane
    for (int i = 1; i < kPosts; ++i) {
      const std::uint64_t points = interrupt_everywhere(post);
      shortest = std::min(shortest, points);
      longest = std::max(longest, points);
    }
  }).join();
  here_.release();
  expect_all_run();
  EXPECT_GT(longest, 2 * shortest) << "no post had to allocate a segment";
}

TEST_P(EveryInstructionOf, AddCallbackThatWakesTheLoop) {
  constexpr int kWakes = 20;
  // Interrupts from the first instruction on, so a handler that posts to the same loop wakes it
  // before the interrupted post does.
  for (int i = 0; i < kWakes; ++i) {
    ASSERT_TRUE(here_.falls_asleep());
    interrupt_everywhere(
        [this](const Target::Ordinary& post) { return here_.loop().add_callback(post); });
  }
  expect_all_run();
}

// The handler does nothing until the post has begun to send its wake-up.
TEST_P(EveryInstructionOf, Rel_E2_AddCallbackInTheMiddleOfTheWakeUp) {
  constexpr int kWakes = 20;
  only_while_ringing_ = true;
  int rung = 0;
  for (int i = 0; i < kWakes; ++i) {
    ASSERT_TRUE(here_.falls_asleep());
    ringing_ = false;
    interrupt_everywhere(
        [this](const Target::Ordinary& post) { return here_.loop().add_callback(post); });
    if (ringing_) ++rung;
  }
  expect_all_run();
  EXPECT_GT(rung, 0) << "the loop was never asleep";
}

TEST_P(EveryInstructionOf, AddCallbackToAClosedLoop) {
  std::uint64_t destroyed = 0;
  std::uint64_t posted = 0;
  const auto post = [&](const Target::Ordinary& next) {
    ++posted;
    return here_.loop().add_callback(Owner(next, destroyed));
  };
  interrupt_everywhere(post);  // from now on this thread has a lane
  expect_all_run();
  here_.end();
  here_.loop().close();
  interrupt_both_ways(post);
  std::thread([&] { interrupt_both_ways(post); }).join();  // this one never gets a lane
  expect_all_run();
  EXPECT_EQ(destroyed, posted);
  EXPECT_EQ(here_.loop().stats().posts_refused, posted - 1);
}

// ---- calls that signal handlers themselves may make ----

TEST_P(EveryInstructionOf, AddCallbackFromSignal) {
  here_.expect_ordinary_posts_from_signals();
  bool errno_kept = true;
  interrupt_both_ways([&](const Target::Ordinary& post) {
    errno = 4712;
    const bool accepted = here_.loop().add_callback_from_signal(post);
    if (errno != 4712) errno_kept = false;
    return accepted;
  });
  expect_all_run();
  EXPECT_TRUE(errno_kept);
}

TEST_P(EveryInstructionOf, AddCallbackFromSignalThatWakesTheLoop) {
  here_.expect_ordinary_posts_from_signals();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(here_.falls_asleep());
    interrupt_everywhere([this](const Target::Ordinary& post) {
      return here_.loop().add_callback_from_signal(post);
    });
  }
  expect_all_run();
}

// The interrupting handler may raise the same callback.
TEST_P(EveryInstructionOf, RaiseOfASignalCallback) {
  bool errno_kept = true;
  bool accepted = false;
  const auto raise = [&] {
    errno = 4712;
    accepted = here_.raised().raise();
    if (errno != 4712) errno_kept = false;
  };
  for (int call = 0; call < 20; ++call) {
    count(interrupted_.run(raise));
    here_.count_raise(accepted);
  }
  for (std::uint64_t k = 1, shorter = 0; shorter < 5;) {
    interrupted_.run_to(k, raise) ? k += kStride : ++shorter;
    here_.count_raise(accepted);
  }
  expect_all_run();
  EXPECT_TRUE(errno_kept);
}

TEST_P(EveryInstructionOf, Stop) {
  bool errno_kept = true;
  std::uint64_t stops = 0;
  const auto stop = [&] {
    errno = 4712;
    here_.loop().stop();
    if (errno != 4712) errno_kept = false;
  };
  while (stops < 20) {
    count(interrupted_.run(stop));
    here_.wait_for_stops(++stops);
  }
  for (std::uint64_t k = 1, shorter = 0; shorter < 5;) {
    interrupted_.run_to(k, stop) ? k += kStride : ++shorter;
    here_.wait_for_stops(++stops);
  }
  expect_all_run();
  here_.end();
  EXPECT_EQ(here_.stops(), stops + 1) << "each stop ends one run";
  EXPECT_TRUE(errno_kept);
}

// Found by tests/model/signal_callback.pml: a raise joined an earlier one, whose call counted both.
// Then the loop was closed, and the second raise() returned false although it was counted.
TEST_F(EveryInstructionHarness, FindsNoRaiseThatIsAnsweredAndDenied) {
  const LoopWatchdog watchdog;
  bool interrupted_it = true;
  for (std::uint64_t k = 1; interrupted_it; ++k) {
    IOLoop loop;
    std::uint64_t answered = 0;
    const SignalCallback callback =
        loop.prepare_signal_callback([&](std::uint64_t raises) { answered += raises; });
    EXPECT_TRUE(callback.raise());
    std::binary_semaphore interrupts{0};
    std::binary_semaphore closed{0};
    std::thread owner([&] {
      interrupts.acquire();
      loop.add_callback([&] { loop.stop(); });
      loop.start();
      loop.close();
      closed.release();
    });
    const auto run_and_close = [&] {
      interrupts.release();
      closed.acquire();
    };
    bool accepted = false;
    EveryInstruction interrupted([&](const EveryInstruction::Point&) { run_and_close(); });
    interrupted_it = interrupted.run_to(k, [&] { accepted = callback.raise(); });
    if (!interrupted_it) run_and_close();
    owner.join();
    EXPECT_EQ(answered, accepted ? 2u : 1u) << "interrupted after instruction " << k;
  }
}

// ---- signal slots ----

TEST_F(EveryInstructionHarness, FindsPostsRefusedExactlyWhenTheSlotsAreFull) {
  const LoopWatchdog watchdog;
  Target target({.name = "few slots", .signal_slots = 8});
  target.hold();
  std::uint64_t interruptions = 0;
  EveryInstruction interrupted([&](const EveryInstruction::Point&) {
    target.post_from_handler();
    target.raise_from_handler();
    ++interruptions;
  });
  const Target::Ordinary post = target.next_ordinary();
  bool accepted = false;
  interrupted.run([&] { accepted = target.loop().add_callback(post); });
  target.was_posted(accepted);
  EXPECT_TRUE(accepted);
  EXPECT_EQ(target.signals_accepted(), 7u) << "one slot is the raised callback's";
  EXPECT_EQ(target.signals_refused(), interruptions - 7);
  target.release();
  target.expect_all_run();
}

}  // namespace
}  // namespace zmqloop::testing
