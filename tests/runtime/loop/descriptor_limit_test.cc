// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Loops and the limit of descriptors (RLIMIT_NOFILE). It stays as the program has set it, unless
// LoopOptions::raise_descriptor_limit allows to raise it; then it is raised where that helps.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr rlim_t kHard = 1'000;

// Step between the numbers of free descriptors to try. Under sanitizers each child takes a second.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kStep = 5;
#else
constexpr int kStep = 1;
#endif

rlimit limit_now() {
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  return now;
}
bool limit_is(rlim_t soft, rlim_t hard) {
  return limit_now().rlim_cur == soft && limit_now().rlim_max == hard;
}

// Sets a soft limit that leaves `free` descriptors free. Use in a child only.
class FewDescriptors {
 public:
  explicit FewDescriptors(int free, rlim_t hard = kHard) {
    const OwnedFd lowest = make_event();
    soft_ = static_cast<rlim_t>(lowest.get() + free);
    const rlimit limit{soft_, std::max(hard, soft_)};
    is_set_ = setrlimit(RLIMIT_NOFILE, &limit) == 0;
  }
  bool is_set() const { return is_set_; }
  rlim_t soft() const { return soft_; }
  bool is_as_set() const { return limit_now().rlim_cur == soft_; }

  // Opens descriptors until none is free; returns them.
  static std::vector<OwnedFd> take_all() {
    std::vector<OwnedFd> taken;
    taken.reserve(kHard);
    for (int fd = 0; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;) {
      taken.push_back(OwnedFd(fd));
    }
    return taken;
  }

 private:
  rlim_t soft_ = 0;
  bool is_set_ = false;
};

// Returns whether a program started by this process sees the soft limit `soft`.
bool child_program_sees(rlim_t soft) {
  const std::string command = "test \"$(ulimit -n)\" = " + std::to_string(soft);
  return std::system(command.c_str()) == 0;
}

class DescriptorLimitOfLoops : public ::testing::TestWithParam<PollerKind> {
 protected:
  static IOLoop::Options options(bool raise) {
    IOLoop::Options result;
    result.poller = GetParam();
    result.raise_descriptor_limit = raise;
    return result;
  }
  static LoopThread::Options of_thread(bool raise) {
    LoopThread::Options result;
    result.loop = options(raise);
    return result;
  }
  static LoopPool::Options of_pool(std::size_t loops, bool raise) {
    LoopPool::Options result;
    result.loops = loops;
    result.loop = options(raise);
    return result;
  }

  // Makes a loop; returns zero, or the errno of the failure.
  static int error_of_making(bool raise) {
    try {
      IOLoop loop(options(raise));
      return loop.run_sync([] { return 7; }) == 7 ? 0 : -1;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Pollers, DescriptorLimitOfLoops,
                         ::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll), poller_name);

// Failures: H7
TEST_P(DescriptorLimitOfLoops, StaysWhenLoopsAreMadeUntilThereIsNoneLeft) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(60);
    ZMQLOOP_CHILD_EXPECT(few.is_set());
    std::vector<std::unique_ptr<IOLoop>> loops;
    int error = 0;
    try {
      while (loops.size() < 100) loops.push_back(std::make_unique<IOLoop>(options(false)));
    } catch (const std::system_error& refused) {
      error = refused.code().value();
    }
    ZMQLOOP_CHILD_EXPECT(error == EMFILE);
    ZMQLOOP_CHILD_EXPECT(loops.size() > 5);
    ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
    ZMQLOOP_CHILD_EXPECT(child_program_sees(few.soft()));
    ZMQLOOP_CHILD_EXPECT(loops.back()->run_sync([] { return 7; }) == 7);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(DescriptorLimitOfLoops, StaysWhenLoopThreadsAreMadeUntilThereIsNoneLeft) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(60);
    ZMQLOOP_CHILD_EXPECT(few.is_set());
    std::vector<std::unique_ptr<LoopThread>> threads;
    ZMQLOOP_CHILD_EXPECT_THROW(
        while (threads.size() < 100)
            threads.push_back(std::make_unique<LoopThread>(of_thread(false))),
        std::system_error);
    ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(DescriptorLimitOfLoops, StaysWhenAPoolIsTooLargeForIt) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(60);
    ZMQLOOP_CHILD_EXPECT(few.is_set());
    ZMQLOOP_CHILD_EXPECT_THROW(LoopPool(of_pool(100, false)), std::system_error);
    ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(DescriptorLimitOfLoops, SaysHowToRaiseIt) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(10);
    const std::vector<OwnedFd> taken = FewDescriptors::take_all();
    try {
      const IOLoop loop(options(false));
      return 1;
    } catch (const std::system_error& error) {
      const std::string message = error.what();
      ZMQLOOP_CHILD_EXPECT(error.code().value() == EMFILE);
      ZMQLOOP_CHILD_EXPECT(message.find("raise_descriptor_limit") != std::string::npos);
      ZMQLOOP_CHILD_EXPECT(message.find(std::to_string(few.soft())) != std::string::npos);
      return 0;
    }
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(DescriptorLimitOfLoops, IsRaisedOnlyWhereALoopCouldNotBeMade) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(60);
    ZMQLOOP_CHILD_EXPECT(error_of_making(true) == 0);
    ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
    std::vector<std::unique_ptr<IOLoop>> loops;
    while (loops.size() < 100) loops.push_back(std::make_unique<IOLoop>(options(true)));
    ZMQLOOP_CHILD_EXPECT(limit_is(kHard, kHard));
    ZMQLOOP_CHILD_EXPECT(child_program_sees(kHard));
    ZMQLOOP_CHILD_EXPECT(loops.back()->run_sync([] { return 7; }) == 7);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(DescriptorLimitOfLoops, IsRaisedForLoopThreadsAndPools) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(20);
    std::vector<std::unique_ptr<LoopThread>> threads;
    while (threads.size() < 30) threads.push_back(std::make_unique<LoopThread>(of_thread(true)));
    ZMQLOOP_CHILD_EXPECT(limit_is(kHard, kHard));
    ZMQLOOP_CHILD_EXPECT(threads.back()->loop().submit([] { return 7; }).get() == 7);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  const ChildResult other = run_in_child([] {
    const FewDescriptors few(20);
    LoopPool pool(of_pool(30, true));
    ZMQLOOP_CHILD_EXPECT(limit_is(kHard, kHard));
    ZMQLOOP_CHILD_EXPECT(pool.submit([] { return 7; }).get() == 7);
    return 0;
  });
  EXPECT_TRUE(other.ok()) << other;
}

TEST_P(DescriptorLimitOfLoops, IsAnErrorWhereItIsAsHighAsItMayBe) {
  const ChildResult child = run_in_child([] {
    const FewDescriptors few(10, /*hard=*/0);
    const std::vector<OwnedFd> taken = FewDescriptors::take_all();
    ZMQLOOP_CHILD_EXPECT(error_of_making(true) == EMFILE);
    ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), few.soft()));
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

// This process has made no loop, so each child meets the limit while it starts ZeroMQ.
TEST_P(DescriptorLimitOfLoops, IsRaisedForTheFirstLoopOfAProcessWhereverItLacksOne) {
  for (int free = 0; free <= 20; free += kStep) {
    for (const bool raise : {false, true}) {
      const ChildResult child = run_in_child([&] {
        const FewDescriptors few(free);
        ZMQLOOP_CHILD_EXPECT(few.is_set());
        const int error = error_of_making(raise);
        if (raise) {
          ZMQLOOP_CHILD_EXPECT(error == 0);
          ZMQLOOP_CHILD_EXPECT(limit_now().rlim_cur == few.soft() || limit_is(kHard, kHard));
        } else {
          ZMQLOOP_CHILD_EXPECT(error == 0 || error == EMFILE);
          ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
        }
        return 0;
      });
      EXPECT_TRUE(child.ok()) << child << ", with " << free << " free, may be raised: " << raise;
    }
  }
}

// A destroyed loop leaves some descriptors for the next one to reuse, but not all that it needs.
TEST_P(DescriptorLimitOfLoops, IsRaisedForLaterLoopsWhereverTheyLackOne) {
  for (std::size_t free = 0; free <= 10; free += free < 2 ? 1 : kStep) {
    for (const bool raise : {false, true}) {
      for (const bool spare : {false, true}) {
        const ChildResult child = run_in_child([&] {
          const FewDescriptors few(60);
          std::unique_ptr<IOLoop> first = std::make_unique<IOLoop>(options(false));
          if (spare) first.reset();
          std::vector<OwnedFd> taken = FewDescriptors::take_all();
          taken.resize(taken.size() - free);
          const int error = error_of_making(raise);
          if (raise) {
            ZMQLOOP_CHILD_EXPECT(error == 0);
          } else {
            ZMQLOOP_CHILD_EXPECT(error == 0 || error == EMFILE);
            ZMQLOOP_CHILD_EXPECT(limit_is(few.soft(), kHard));
          }
          return 0;
        });
        EXPECT_TRUE(child.ok()) << child << ", with " << free << " free, may be raised: " << raise
                                << ", a loop has gone before: " << spare;
      }
    }
  }
}

}  // namespace
}  // namespace zmqloop::testing
