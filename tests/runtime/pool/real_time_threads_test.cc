// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Real-time threads that wait for other threads on the same CPU must yield that CPU to them.

#include <atomic>
#include <csignal>
#include <dlfcn.h>
#include <latch>
#include <memory>
#include <optional>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tests/support/loop_fixture.h"
#include "tests/support/real_time.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/core/loop_affinity.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

// Set by a thread to be held up in the middle of write(), while a signal handler rings a doorbell.
struct Parking {
  std::atomic<bool> reached{false};
  std::atomic<bool> go_on{false};
};
constinit thread_local Parking* park_in_write = nullptr;

}  // namespace
}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define ZMQLOOP_PARKS_IN_WRITE
// Called instead of the C library's function.
extern "C" ssize_t write(int fd, const void* data, size_t size) {
  if (zmqloop::testing::Parking* const parking =
          std::exchange(zmqloop::testing::park_in_write, nullptr)) {
    parking->reached = true;
    while (!parking->go_on) ::sched_yield();
  }
  using Write = ssize_t(int, const void*, size_t);
  static const auto next = reinterpret_cast<Write*>(::dlsym(RTLD_NEXT, "write"));
  return next(fd, data, size);
}
#endif

namespace zmqloop::testing {
namespace {

class RealTimeThreads : public OnBothPollers {
 protected:
  void SetUp() override {
    if (const std::string reason = why_no_real_time(); !reason.empty()) GTEST_SKIP() << reason;
  }

  static constexpr int kRounds = 3;
  static constexpr const char* kKept = "it kept the CPU, and ended when the kernel took it away";
  const int cpu_ = shared_cpu();
};
ZMQLOOP_ON_BOTH_POLLERS(RealTimeThreads);

// Its move into a slot waits until the loop is closed.
struct GoesOnWhenClosed {
  IOLoop* loop;
  std::latch* reached;
  GoesOnWhenClosed(IOLoop& l, std::latch& r) : loop(&l), reached(&r) {}
  GoesOnWhenClosed(GoesOnWhenClosed&& other) noexcept : loop(other.loop), reached(other.reached) {
    reached->count_down();
    while (!loop->is_closed()) ::sched_yield();
  }
  GoesOnWhenClosed& operator=(GoesOnWhenClosed&&) = delete;
  ~GoesOnWhenClosed() = default;
  void operator()() const { ADD_FAILURE() << "ran"; }
};

// Failures: M12
TEST_P(RealTimeThreads, LeaveTheirCpuToAPosterWhileTheyCloseALoop) {
  for (int round = 0; round < kRounds; ++round) {
    IOLoop loop(options());
    std::latch reached(1);
    std::thread poster([&] {
      run_this_thread_on(cpu_);
      EXPECT_TRUE(loop.add_callback(GoesOnWhenClosed(loop, reached)));
    });
    reached.wait();
    CloseReport report;
    const long departures = departures_at_real_time(cpu_, [&] { report = loop.close(); });
    poster.join();
    EXPECT_EQ(report.callbacks_abandoned, 1u);
    EXPECT_GT(departures, 0) << kKept;
  }
}

TEST_P(RealTimeThreads, LeaveTheirCpuToAPosterWhileTheyDestroyALoop) {
  for (int round = 0; round < kRounds; ++round) {
    std::optional<IOLoop> loop(std::in_place, options());
    std::latch reached(1);
    std::thread poster([&] {
      run_this_thread_on(cpu_);
      EXPECT_TRUE(loop->add_callback(GoesOnWhenClosed(*loop, reached)));
    });
    reached.wait();
    const long departures = departures_at_real_time(cpu_, [&] { loop.reset(); });
    poster.join();
    EXPECT_GT(departures, 0) << kKept;
  }
}

// A destructor on another thread holds the loop for a few instructions; this test prolongs that.
TEST_P(RealTimeThreads, LeaveTheirCpuToAThreadThatHoldsTheLoopTheyTake) {
  enum class Taken { kToRun, kToClose, kToBeSetUp };
  for (const Taken taken : {Taken::kToRun, Taken::kToClose, Taken::kToBeSetUp}) {
    LoopAffinity affinity("held", LoopAffinity::Owner::kUser);
    std::atomic<bool> taking{false};
    std::latch held(1);
    std::thread holder([&] {
      run_this_thread_on(cpu_);
      const auto use = affinity.try_use([&] {
        held.count_down();
        while (!taking) ::sched_yield();
      });
      EXPECT_EQ(use, LoopAffinity::Use::kDone);
    });
    held.wait();
    const long departures = departures_at_real_time(cpu_, [&] {
      taking = true;
      switch (taken) {
        case Taken::kToRun:
          affinity.take_to_run("testing");
          affinity.end_run();
          break;
        case Taken::kToClose:
          EXPECT_TRUE(affinity.take_to_close("testing"));
          affinity.end_close();
          break;
        case Taken::kToBeSetUp:
          EXPECT_TRUE(LoopAffinity::Access(affinity, "testing").is_granted());
          break;
      }
    });
    holder.join();
    EXPECT_GT(departures, 0) << kKept << ", taken " << static_cast<int>(taken);
  }
}

// Its copy takes as long as the test wants.
struct SlowToCopy {
  struct Copying {
    std::latch begun{1};
    std::atomic<bool> go_on{false};
  };
  explicit SlowToCopy(Copying& c) : copying(&c) {}
  SlowToCopy(const SlowToCopy& other) : copying(other.copying) {
    copying->begun.count_down();
    while (!copying->go_on) ::sched_yield();
  }
  SlowToCopy(SlowToCopy&& other) noexcept = default;
  SlowToCopy& operator=(const SlowToCopy&) = delete;
  ~SlowToCopy() = default;

  Copying* copying;
};

TEST_P(RealTimeThreads, LeaveTheirCpuToAThreadThatCopiesTheValueTheyTake) {
  for (int round = 0; round < kRounds; ++round) {
    SlowToCopy::Copying copying;
    Promise<SlowToCopy> promise;
    Future<SlowToCopy> taken = promise.get_future();
    const Future<SlowToCopy> copied = taken;
    promise.set_value(SlowToCopy(copying));
    std::thread copier([&] {
      run_this_thread_on(cpu_);
      EXPECT_EQ(copied.get().copying, &copying);
    });
    copying.begun.wait();
    const long departures = departures_at_real_time(cpu_, [&] {
      copying.go_on = true;
      EXPECT_EQ(std::move(taken).get().copying, &copying);
    });
    copier.join();
    EXPECT_GT(departures, 0) << kKept;
    EXPECT_THROW(copied.get(), std::logic_error) << "it was taken";
  }
}

// The signal's handler, on another thread, is still raising another loop's callback.
TEST_P(RealTimeThreads, LeaveTheirCpuToAHandlerWhileTheyRemoveASignalHandler) {
#if !defined(ZMQLOOP_PARKS_IN_WRITE)
  GTEST_SKIP() << "sanitizers have a function of their own in place of the one that parks";
#endif
  LoopThread::Options sleeper;
  sleeper.loop = options("sleeper");
  sleeper.loop.idle_spin = Duration::zero();
  LoopThread other(sleeper);
  other.loop().submit([&] { other.loop().add_signal_handler(SIGUSR1, [] {}); }).get();
  for (int round = 0; round < kRounds; ++round) {
    loop_.add_signal_handler(SIGUSR1, [] {});
    Parking parking;
    std::thread raiser([&] {
      run_this_thread_on(cpu_);
      park_in_write = &parking;
      // Until a handler finds the other loop asleep and rings its doorbell.
      while (park_in_write != nullptr) {
        raise(SIGUSR1);
        ::sched_yield();
      }
    });
    while (!parking.reached) std::this_thread::yield();
    const long departures = departures_at_real_time(cpu_, [&] {
      parking.go_on = true;
      EXPECT_TRUE(loop_.remove_signal_handler(SIGUSR1));
    });
    raiser.join();
    EXPECT_GT(departures, 0) << kKept;
  }
}

}  // namespace
}  // namespace zmqloop::testing
