// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/context_preflight.h"

#include <cerrno>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <thread>

#include "tests/support/process_facts.h"
#include "tests/support/refused_calls.h"
#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/waker.h"

namespace zmqloop::testing {
namespace {

// Forks a child from a process without a context and makes a waker there, after `forbid()`. Returns
// 0 if that throws `error` naming `call`; libzmq would abort.
template <class Forbid>
int exit_code_without(Forbid forbid, int error, const std::string& call) {
  return exit_code_of_child([&] {
    forbid();
    try {
      Waker waker;
      return 2;
    } catch (const std::system_error& thrown) {
      if (thrown.code().value() != error) return 3;
      return std::string(thrown.what()).find(call) == std::string::npos ? 4 : 0;
    }
  });
}

TEST(ContextPreflight, PassesAndLeavesNothingBehind) {
  std::thread([] {}).join();  // ThreadSanitizer starts one of its own beside the first
  const std::size_t before = open_descriptors();
  const std::size_t threads = living_threads();
  require_startable_context("testing");
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_TRUE(eventually([&] { return living_threads() == threads; }));
}

TEST(ContextPreflight, MakesAWakerThrowWhenThereIsNoThreadForLibzmq) {
  if (!kCanRefuseCalls) GTEST_SKIP() << "the sanitizer has a pthread_create of its own";
  EXPECT_EQ(exit_code_without([] { refused_calls.threads = EAGAIN; }, EAGAIN, "pthread_create"), 0);
}

TEST(ContextPreflight, MakesAWakerThrowWhenThereIsNoEpollEntryForLibzmq) {
  if (!kCanRefuseCalls) GTEST_SKIP() << "the sanitizer has an epoll_ctl of its own";
  EXPECT_EQ(exit_code_without([] { refused_calls.entries = ENOSPC; }, ENOSPC, "epoll_ctl"), 0);
}

}  // namespace
}  // namespace zmqloop::testing
