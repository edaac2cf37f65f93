// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Counts the calls that the epoll poller makes to the kernel and to libzmq.

#include <cstddef>
#include <dlfcn.h>
#include <string>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/epoll_poller.h"

namespace zmqloop::testing {
namespace {

using zmq::socket_type;

struct Calls {
  int questions = 0;   // epoll_ctl(), once everything is registered
  int looks = 0;       // zmq_getsockopt(ZMQ_EVENTS)
  int noisy_fd = -1;   // an eventfd that each epoll_wait() rings first
  int epoll_waits = 0;
};
constinit thread_local Calls calls;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kCanCount = false;  // sanitizers put functions of their own there
#else
constexpr bool kCanCount = true;

template <class Function>
Function* next_in_line(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#endif

}  // namespace
}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
extern "C" {

int epoll_ctl(int set, int operation, int fd, epoll_event* event) noexcept {
  ++zmqloop::testing::calls.questions;
  return static_cast<int>(::syscall(SYS_epoll_ctl, set, operation, fd, event));
}

// Writing 0 wakes a waiting thread, though there is nothing to read.
int epoll_wait(int set, epoll_event* reports, int room, int timeout) {
  zmqloop::testing::Calls& calls = zmqloop::testing::calls;
  ++calls.epoll_waits;
  if (calls.noisy_fd >= 0) eventfd_write(calls.noisy_fd, 0);
  return static_cast<int>(::syscall(SYS_epoll_pwait, set, reports, room, timeout, nullptr, 0));
}

int zmq_getsockopt(void* socket, int option, void* value, std::size_t* size) {
  if (option == ZMQ_EVENTS) ++zmqloop::testing::calls.looks;
  using Get = int(void*, int, void*, std::size_t*);
  static const auto get = zmqloop::testing::next_in_line<Get>("zmq_getsockopt");
  return get(socket, option, value, size);
}
}
#endif

namespace zmqloop::testing {
namespace {

class EpollPollerCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kCanCount) GTEST_SKIP() << "calls cannot be counted under a sanitizer";
  }

  // Returns the calls of one wait that does not sleep.
  Calls calls_of_a_wait() {
    calls = {};
    ready_ = poll_now(poller_);
    return calls;
  }

  void settle() {
    while (calls_of_a_wait().looks != 0 && ready_.empty()) {
    }
  }

  zmq::context_t context_{0};
  EpollPoller poller_;
  std::vector<Ready> ready_;  // the result of the last wait
};

// The poller used to look at the clock only if nothing was reported.
// Failures: F18
TEST_F(EpollPollerCalls, AWaitEndsAtItsDeadlineThoughReportsThatMeanNothingKeepComing) {
  SocketPair pair(context_, socket_type::pull, socket_type::push);
  poller_.add(pair.near, Events::kRead, 1);
  settle();
  calls = {.noisy_fd = pair.near.get(zmq::sockopt::fd)};
  const TimePoint deadline = Clock::now() + std::chrono::milliseconds(1);
  EXPECT_TRUE(poller_.wait_until(deadline).empty());
  EXPECT_GE(Clock::now(), deadline);
  EXPECT_GT(calls.epoll_waits, 1) << "not one of the reports came";
  calls = {};
}

// Failures: G14
TEST_F(EpollPollerCalls, IdleRepSocketsAreLeftAlone) {
  std::vector<SocketPair> pairs;
  for (std::uint64_t i = 0; i < 100; ++i) {
    pairs.emplace_back(context_, socket_type::rep, socket_type::req);
    poller_.add(pairs.back().near, Events::kRead, i);
  }
  settle();
  EXPECT_EQ(calls_of_a_wait().looks, 0);
  send(pairs[7].far, "request");
  EXPECT_EQ(calls_of_a_wait().looks, 1);
  EXPECT_EQ(events_of(ready_, 7), Events::kRead);
  EXPECT_EQ(receive(pairs[7].near), "request");
  calls_of_a_wait();
  EXPECT_TRUE(ready_.empty());
  // The socket has to answer now, and afterwards the next request may be there already.
  EXPECT_EQ(calls_of_a_wait().looks, 1);
  EXPECT_EQ(calls_of_a_wait().looks, 1);
  send(pairs[7].near, "reply");
  settle();
  EXPECT_EQ(calls_of_a_wait().looks, 0);
}

TEST_F(EpollPollerCalls, ReqSocketsAreLookedAtUnaskedUntilTheyHaveSent) {
  SocketPair pair(context_, socket_type::rep, socket_type::req);
  poller_.add(pair.far, Events::kRead, 1);
  for (int i = 0; i < 4; ++i) calls_of_a_wait();
  EXPECT_EQ(calls_of_a_wait().looks, 1);
  send(pair.far, "request");
  settle();
  EXPECT_EQ(calls_of_a_wait().looks, 0);
  EXPECT_EQ(receive(pair.near), "request");
  send(pair.near, "reply");
  calls_of_a_wait();
  EXPECT_EQ(events_of(ready_, 1), Events::kRead);
}

TEST_F(EpollPollerCalls, ADescriptorIsAskedForWhenItWasSilentBefore) {
  const OwnedFd event = make_event();
  poller_.add(event.get(), Events::kRead, 1);
  calls_of_a_wait();
  ring(event);
  EXPECT_EQ(calls_of_a_wait().questions, 1);
  EXPECT_EQ(calls_of_a_wait().questions, 0) << "it was reported just before";
  EXPECT_EQ(events_of(ready_, 1), Events::kRead);
  eventfd_t number = 0;
  EXPECT_EQ(eventfd_read(event.get(), &number), 0);
  calls_of_a_wait();
  ring(event);
  EXPECT_EQ(calls_of_a_wait().questions, 1);
}

TEST_F(EpollPollerCalls, ALoopsOwnDoorbellIsNotAskedFor) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_.add(event.get(), Events::kRead, kInternalToken);
  EXPECT_EQ(calls_of_a_wait().questions, 0);
  EXPECT_EQ(events_of(ready_, kInternalToken), Events::kRead);
}

// Waits so long that a socket may have been freed and its memory given to another one.
void let_time_pass() {
  const TimePoint end = Clock::now() + std::chrono::milliseconds(1);
  while (Clock::now() < end) {
  }
}

TEST_F(EpollPollerCalls, ASocketIsAskedForUnlessItWasReportedJustNow) {
  SocketPair pair(context_, socket_type::pull, socket_type::push);
  poller_.add(pair.near, Events::kRead, 1);
  settle();
  send(pair.far, "1");
  send(pair.far, "2");
  let_time_pass();
  EXPECT_EQ(calls_of_a_wait().questions, 0);
  EXPECT_EQ(events_of(ready_, 1), Events::kRead);
  calls_of_a_wait();  // our look has taken the signal, and that is reported
  let_time_pass();
  EXPECT_EQ(calls_of_a_wait().questions, 1) << "still ready, and nothing was reported";
  EXPECT_EQ(events_of(ready_, 1), Events::kRead);
}

}  // namespace
}  // namespace zmqloop::testing
