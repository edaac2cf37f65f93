// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Closing: the calls refused afterwards, the report, and that no accepted post is lost.

#include <atomic>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/reused_handle.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

namespace zmqloop::testing {
namespace {

class IOLoopClose : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopClose);

TEST_P(IOLoopClose, Rel_B2_MakesEveryPostReturnFalseAndDestroysTheCallableUnrunBeforeThat) {
  loop_.close();
  EXPECT_TRUE(loop_.is_closed());
  bool ran = false;
  std::thread::id destroyed_on;
  std::thread poster([&] {
    const auto alive = std::make_shared<int>();
    EXPECT_FALSE(loop_.add_callback([&ran, alive] { ran = true; }));
    EXPECT_FALSE(loop_.spawn_callback([&ran, alive](int) { ran = true; }, 1));
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_FALSE(loop_.add_callback(
        [end = AtDestruction([&] { destroyed_on = std::this_thread::get_id(); })] {}));
    EXPECT_EQ(destroyed_on, std::this_thread::get_id());
    EXPECT_FALSE(loop_.add_callback_from_signal([&ran] { ran = true; }));
  });
  poster.join();
  EXPECT_FALSE(ran);
  EXPECT_EQ(loop_.stats().posts_refused, 3u);
  EXPECT_EQ(loop_.stats().signal_posts_refused, 1u);
  EXPECT_EQ(loop_.stats().pending, 0u);
}

TEST_P(IOLoopClose, RefusesALoopThreadsLaterPostsFromALaneItHasAlready) {
  loop_.add_callback([] {});
  EXPECT_EQ(loop_.close().callbacks_abandoned, 1u);
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(loop_.add_callback([] {}));
  EXPECT_EQ(loop_.stats().posts_refused, 1'000u);
}

TEST_P(IOLoopClose, HappensOnceAndReportsNothingTheSecondTime) {
  loop_.add_callback([] {});
  loop_.add_timeout(1h, [] {});
  EXPECT_EQ(loop_.close(), (CloseReport{.callbacks_abandoned = 1, .timers_abandoned = 1}));
  EXPECT_TRUE(loop_.is_closed());
  EXPECT_EQ(loop_.close(), CloseReport());
  EXPECT_EQ(loop_.close(true), CloseReport());
}

TEST_P(IOLoopClose, HasItsHelpersForDescriptorsAndSockets) {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC);
  const auto [number, given] = IOLoop::split_fd(descriptor);
  EXPECT_EQ(number, descriptor);
  EXPECT_EQ(given, Pollable(descriptor));
  IOLoop::close_fd(given);
  EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1);
  IOLoop::close_fd(given);  // closed already: no error
}

TEST_P(IOLoopClose, LeavesStopHarmless) {
  loop_.close();
  loop_.stop();
  EXPECT_EQ(loop_.close(), CloseReport());
}

TEST_P(IOLoopClose, ReportsWhatWasNeverRunAndDestroysItHere) {
  std::vector<std::thread::id> destroyed_on;
  const auto witness = [&] {
    return std::make_shared<AtDestruction>(
        [&] { destroyed_on.push_back(std::this_thread::get_id()); });
  };
  std::thread([&] {
    loop_.add_callback([alive = witness()] { ADD_FAILURE() << "ran"; });
    loop_.add_callback_from_signal([] { ADD_FAILURE() << "ran"; });
    loop_.add_timeout(0s, [alive = witness()] { ADD_FAILURE() << "ran"; });
    loop_.add_timeout(Duration::max(), [alive = witness()] { ADD_FAILURE() << "ran"; });
  }).join();
  const OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [alive = witness()] { ADD_FAILURE() << "ran"; }, Events::kRead);
  EXPECT_EQ(loop_.close(), (CloseReport{2, 2, 1}));
  EXPECT_EQ(destroyed_on, std::vector<std::thread::id>(4, std::this_thread::get_id()));
  EXPECT_EQ(loop_.stats().callbacks_abandoned, 2u);
  EXPECT_EQ(loop_.stats().callbacks_run, 0u);
  EXPECT_EQ(loop_.close(), CloseReport()) << "a second close reports zeros";
}

TEST_P(IOLoopClose, ByTheDestructorDestroysWhatIsLeftToo) {
  const auto alive = std::make_shared<int>();
  {
    IOLoop loop(options());
    loop.add_callback([alive] {});
    loop.add_timeout(1h, [alive] {});
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_P(IOLoopClose, Rel_B8_LetsDestructorsOfWhatItDestroysUseTheLoop) {
  int refused = 0;
  int closed = 0;
  const auto misuse = [&] {
    refused += !loop_.add_callback([] {});
    refused += !loop_.add_callback_from_signal([] {});
    loop_.stop();
    loop_.remove_handler(0);
    EXPECT_EQ(loop_.close(), CloseReport()) << "it is being closed already";
    EXPECT_TRUE(loop_.is_closed());
    for (int i = 0; i < 2; ++i) {
      try {
        i == 0 ? loop_.start() : static_cast<void>(loop_.add_timeout(1s, [] {}));
      } catch (const std::exception&) {
        ++closed;
      }
    }
  };
  loop_.add_callback([end = std::make_shared<AtDestruction>(misuse)] {});
  loop_.add_timeout(1h, [end = std::make_shared<AtDestruction>(misuse)] {});
  const OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [end = std::make_shared<AtDestruction>(misuse)] {}, Events::kRead);
  EXPECT_EQ(loop_.close(), (CloseReport{1, 1, 1}));
  EXPECT_EQ(refused, 6);
  EXPECT_EQ(closed, 6);
}

TEST_P(IOLoopClose, NeverCountsWhatItAbandonsAsRunNotEvenMeanwhile) {
  loop_.add_callback([] {});
  run_one_iteration();
  const std::uint64_t run = loop_.stats().callbacks_run;
  std::vector<std::uint64_t> seen;
  for (int i = 0; i < 3; ++i) {
    loop_.add_callback([end = std::make_shared<AtDestruction>(
                            [&] { seen.push_back(loop_.stats().callbacks_run); })] {});
  }
  loop_.close();
  EXPECT_EQ(seen, std::vector<std::uint64_t>(3, run));
  EXPECT_EQ(loop_.stats().callbacks_run, run);
}

TEST_P(IOLoopClose, MakesEverythingElseThrowLoopClosedErrorThatNamesTheLoop) {
  const TimeoutHandle timer = loop_.add_timeout(1h, [] {});
  const OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  loop_.close();
  const auto expect_closed = [](auto&& f) {
    const std::string text = error_of<LoopClosedError>(f);
    EXPECT_NE(text.find("'tested'"), std::string::npos) << text;
  };
  expect_closed([&] { loop_.start(); });
  expect_closed([&] { loop_.run_sync([] { ADD_FAILURE() << "ran"; }); });
  expect_closed([&] { loop_.add_timeout(1s, [] {}); });
  expect_closed([&] { loop_.call_later(1s, [] {}); });
  expect_closed([&] { loop_.call_at(loop_.time(), [] {}); });
  expect_closed([&] {
    loop_.add_handler(
        event.get(), [] {}, Events::kRead);
  });
  expect_closed([&] { loop_.update_handler(event.get(), Events::kRead); });
  loop_.remove_timeout(timer);
  loop_.remove_handler(event.get());
  EXPECT_FALSE(loop_.is_running());
}

TEST_P(IOLoopClose, Rel_B7_OfARunningLoopIsRefusedEverywhereAndChangesNothing) {
  std::string own;
  std::string others;
  loop_.add_callback([&] {
    own = error_of<std::logic_error>([&] { loop_.close(); });
    std::thread([&] { others = error_of<std::logic_error>([&] { loop_.close(); }); }).join();
    loop_.add_callback([&] { loop_.stop(); });
  });
  loop_.start();
  for (const std::string& text : {own, others}) {
    EXPECT_NE(text.find("'tested'"), std::string::npos) << text;
    EXPECT_NE(text.find("runs on thread"), std::string::npos) << text;
  }
  EXPECT_FALSE(loop_.is_closed());
  EXPECT_EQ(loop_.stats().pending, 0u);
}

TEST_P(IOLoopClose, OnceIsRunningIsFalseReallyCloses) {
  for (int round = 0; round < 500; ++round) {
    IOLoop loop(options());
    std::atomic<bool> started{false};
    std::thread runner([&] {
      loop.add_callback([&] {
        started = true;
        loop.stop();
      });
      loop.start();
    });
    while (!started || loop.is_running()) std::this_thread::yield();
    loop.add_callback([] {});
    try {
      EXPECT_EQ(loop.close().callbacks_abandoned, 1u);
    } catch (const std::logic_error& error) {
      ADD_FAILURE() << error.what();
    }
    runner.join();
    EXPECT_TRUE(loop.is_closed()) << "round " << round;
    loop.close();
  }
}

// A stall threshold makes closing take longer, as the watchdog is informed first.
TEST_P(IOLoopClose, ShowsOnlyOnceEveryPostIsRefused) {
  for (int round = 0; round < 50; ++round) {
    IOLoop loop(options());
    loop.set_blocking_log_threshold(1h);
    std::thread closer([&] { loop.close(); });
    while (!loop.is_closed()) continue;
    EXPECT_FALSE(loop.add_callback([] {})) << "round " << round;
    closer.join();
  }
}

TEST_P(IOLoopClose, ByManyThreadsAtOnceHappensOnce) {
  for (int round = 0; round < 100; ++round) {
    IOLoop loop(options());
    for (int i = 0; i < 10; ++i) loop.add_callback([] {});
    std::atomic<std::uint64_t> abandoned{0};
    std::vector<std::thread> closers;
    for (int i = 0; i < 4; ++i) {
      closers.emplace_back([&] {
        try {
          abandoned += loop.close().callbacks_abandoned;
        } catch (const std::logic_error&) {
          // Another thread is closing it. Concurrent calls break the rule, but are safe.
        }
      });
    }
    for (std::thread& closer : closers) closer.join();
    EXPECT_EQ(abandoned, 10u);
    EXPECT_TRUE(loop.is_closed());
  }
}

// ---- all_fds ----

TEST_P(IOLoopClose, LeavesWhatWasRegisteredOpenUnlessToldOtherwise) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pair);
  const OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  loop_.add_handler(
      socket, [] {}, Events::kRead);
  EXPECT_EQ(loop_.close().handlers_removed, 2u);
  EXPECT_GE(fcntl(event.get(), F_GETFD), 0);
  EXPECT_TRUE(socket);
}

TEST_P(IOLoopClose, Rel_G4_ClosesDescriptorsAndSocketsIfToldTo) {
  zmq::context_t context;
  zmq::socket_t by_reference(context, zmq::socket_type::pair);
  void* const given_up = zmq_socket(context.handle(), ZMQ_PAIR);
  OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  loop_.add_handler(
      by_reference, [] {}, Events::kRead);
  loop_.add_handler(
      zmq::socket_ref(zmq::from_handle, given_up), [] {}, Events::kRead);
  EXPECT_EQ(loop_.close(/*all_fds=*/true).handlers_removed, 3u);
  EXPECT_EQ(fcntl(event.release(), F_GETFD), -1);
  EXPECT_FALSE(by_reference) << "closed through the object";
  context.close();  // would hang if the third one were open
}

TEST_P(IOLoopClose, ClosesASocketThatItsHandlerOwns) {
  zmq::context_t context;
  auto socket = std::make_shared<zmq::socket_t>(context, zmq::socket_type::pair);
  zmq::socket_t& reference = *socket;
  loop_.add_handler(
      reference, [owned = std::move(socket)] {}, Events::kRead);
  EXPECT_EQ(loop_.close(/*all_fds=*/true).handlers_removed, 1u);
}

// ---- files and sockets that the loop must not close ----

// A descriptor number that is closed and reopened behind a loop's back.
class ReusedNumber {
 public:
  enum class File { kEvent, kRegular };

  ReusedNumber() : number_(::eventfd(0, EFD_CLOEXEC)) { EXPECT_GE(number_, 0); }
  ReusedNumber(const ReusedNumber&) = delete;
  ReusedNumber& operator=(const ReusedNumber&) = delete;
  ~ReusedNumber() { ::close(number_); }

  int get() const { return number_; }
  void close() const { ::close(number_); }
  // Opens a file under the number, which must be free.
  void open(File file) {
    const int fresh = file == File::kEvent ? ::eventfd(0, EFD_CLOEXEC)
                                           : ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fresh, 0);
    if (fresh != number_) {
      EXPECT_EQ(::dup3(fresh, number_, O_CLOEXEC), number_);
      ::close(fresh);
    }
    EXPECT_EQ(::fstat(number_, &opened_), 0);
  }
  // Returns whether the number still refers to the file of open().
  bool is_as_opened() const {
    struct stat now = {};
    return ::fstat(number_, &now) == 0 && now.st_ino == opened_.st_ino &&
           now.st_mode == opened_.st_mode;
  }

 private:
  const int number_;
  struct stat opened_ = {};
};

constexpr ReusedNumber::File kFiles[] = {ReusedNumber::File::kEvent, ReusedNumber::File::kRegular};

// Failures: F16
TEST_P(IOLoopClose, DoesNotCloseANumberThatNamesAnotherFileByNow) {
  for (const ReusedNumber::File file : kFiles) {
    IOLoop loop(options());
    ReusedNumber number;
    loop.add_handler(
        number.get(), [] {}, Events::kRead);
    number.close();
    number.open(file);
    EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 1u);
    EXPECT_TRUE(number.is_as_opened());
  }
}

TEST_P(IOLoopClose, DoesNotCloseANumberThatNamesAnotherFileWhileItsHandlersTaskIsUnderWay) {
  for (const ReusedNumber::File file : kFiles) {
    IOLoop loop(options());
    ReusedNumber number;
    const Promise<void> never;
    loop.add_handler(
        number.get(), [&] { return never.get_future(); }, Events::kRead);
    ASSERT_EQ(eventfd_write(number.get(), 1), 0);
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
    EXPECT_EQ(loop.stats().handlers_dispatched, 1u);
    number.close();
    number.open(file);
    EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 1u);
    EXPECT_TRUE(number.is_as_opened());
  }
}

// Destroying a handler may close another registered descriptor, whose number is free from then on.
TEST_P(IOLoopClose, DoesNotCloseANumberThatADestructorMeanwhileHasGivenToAnotherFile) {
  for (const ReusedNumber::File file : kFiles) {
    for (const bool removes : {false, true}) {
      IOLoop loop(options());
      ReusedNumber numbers[4];
      int given_away = 0;
      // The first handler destroyed frees the numbers of all others.
      const auto frees_the_others = [&](int self) {
        return std::make_shared<AtDestruction>([&, self] {
          if (given_away++ != 0) return;
          for (int other = 0; other < 4; ++other) {
            if (other == self) continue;
            if (removes) loop.remove_handler(numbers[other].get());
            numbers[other].close();
            numbers[other].open(file);
          }
        });
      };
      for (int i = 0; i < 4; ++i) {
        loop.add_handler(
            numbers[i].get(), [alive = frees_the_others(i)] {}, Events::kRead);
      }
      const CloseReport report = loop.close(/*all_fds=*/true);
      EXPECT_EQ(report.handlers_removed, removes ? 1u : 4u);
      int still_there = 0;
      for (const ReusedNumber& each : numbers) still_there += each.is_as_opened();
      EXPECT_EQ(still_there, 3) << "removes: " << removes;
    }
  }
}

TEST_P(IOLoopClose, DoesNotCloseANumberThatAnAbandonedCallableHasGivenToAnotherFile) {
  for (const ReusedNumber::File file : kFiles) {
    for (const bool timer : {false, true}) {
      IOLoop loop(options());
      ReusedNumber number;
      auto frees = std::make_shared<AtDestruction>([&] {
        number.close();
        number.open(file);
      });
      loop.add_handler(
          number.get(), [] {}, Events::kRead);
      if (timer) {
        loop.add_timeout(1h, [alive = std::move(frees)] {});
      } else {
        loop.add_callback([alive = std::move(frees)] {});
      }
      EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 1u);
      EXPECT_TRUE(number.is_as_opened()) << "timer: " << timer;
    }
  }
}

// Terminating the context waits until its sockets are closed.
TEST_P(IOLoopClose, ClosesSocketsOfATerminatedContextWhetherTheyKnowOrNot) {
  for (const bool know : {false, true}) {
    zmq::context_t context;
    IOLoop loop(options());
    void* const given_up = zmq_socket(context.handle(), ZMQ_PAIR);
    loop.add_handler(
        zmq::socket_ref(zmq::from_handle, given_up), [] {}, Events::kRead);
    context.shutdown();
    if (know) {
      char nothing = 0;
      EXPECT_EQ(zmq_recv(given_up, &nothing, 1, ZMQ_DONTWAIT), -1);
      EXPECT_EQ(zmq_errno(), ETERM);
    }
    EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 1u);
    context.close();  // would hang if it were open
  }
}

// Failures: F16
TEST_P(IOLoopClose, DoesNotCloseASocketThatHasTheHandleOfAClosedOne) {
  for (int i = 0; i < ReusedHandle::kAttempts; ++i) {
    ReusedHandle handle;
    IOLoop loop(options());
    loop.add_handler(
        handle.get(), [] {}, Events::kRead);
    const bool reused = handle.reuse();
    EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 1u);
    EXPECT_TRUE(handle.is_open());
    if (reused) return;
  }
  GTEST_SKIP() << ReusedHandle::kNoReuse;
}

TEST_P(IOLoopClose, DoesNotCloseASocketThatADestructorMeanwhileHasGivenTheHandle) {
  for (int i = 0; i < ReusedHandle::kAttempts; ++i) {
    ReusedHandle handle;
    IOLoop loop(options());
    OwnedFd event = make_event();
    bool reused = false;
    loop.add_handler(
        event.get(), [end = std::make_shared<AtDestruction>([&] { reused = handle.reuse(); })] {},
        Events::kRead);
    loop.add_handler(
        handle.get(), [] {}, Events::kRead);
    EXPECT_EQ(loop.close(/*all_fds=*/true).handlers_removed, 2u);
    event.release();
    EXPECT_TRUE(handle.is_open());
    if (reused) return;
  }
  GTEST_SKIP() << ReusedHandle::kNoReuse;
}

// ---- nothing is lost ----

// Posts until refused; returns how many posts were accepted.
std::uint64_t post_until_refused(IOLoop& loop, std::atomic<std::uint64_t>& run, bool by_signal) {
  std::uint64_t accepted = 0;
  while (!loop.is_closed()) {
    const auto count = [&run] { ++run; };
    const bool done = by_signal ? loop.add_callback_from_signal(count) : loop.add_callback(count);
    if (done) ++accepted;
    if (!done && by_signal) std::this_thread::yield();
  }
  return accepted;
}

TEST_P(IOLoopClose, Rel_B1_B6_AccountsForEveryPostThatWasAccepted) {
  for (int round = 0; round < 150; ++round) {
    IOLoop loop(options());
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> run{0};
    std::vector<std::thread> posters;
    for (int i = 0; i < 3; ++i) {
      posters.emplace_back([&, i] { accepted += post_until_refused(loop, run, i == 2); });
    }
    if (round % 3 != 0) {  // else close it without running it
      const std::uint64_t enough = static_cast<std::uint64_t>(round) * 10;
      std::function<void()> stop_when_enough = [&] {
        run >= enough ? loop.stop() : static_cast<void>(loop.add_callback(stop_when_enough));
      };
      loop.add_callback(stop_when_enough);
      loop.start();
    }
    const std::uint64_t own = loop.stats().callbacks_run - run;
    const std::uint64_t abandoned = loop.close().callbacks_abandoned;
    for (std::thread& poster : posters) poster.join();
    const LoopStats stats = loop.stats();
    ASSERT_EQ(accepted, run + abandoned) << "round " << round;
    ASSERT_EQ(stats.callbacks_run, run + own);
    ASSERT_EQ(stats.callbacks_abandoned, abandoned);
    ASSERT_EQ(stats.pending, 0u);
  }
}

}  // namespace
}  // namespace zmqloop::testing
