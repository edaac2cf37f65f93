// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/runtime_context.h"

#include <thread>
#include <vector>

#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

TEST(RuntimeContext, IsOneForAllThreads) {
  std::vector<void*> handles(8);
  std::vector<std::thread> threads;
  for (void*& handle : handles) {
    threads.emplace_back([&handle] { handle = runtime_context().handle(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (void* handle : handles) EXPECT_EQ(handle, runtime_context().handle());
}

TEST(RuntimeContext, HasNoIoThreadsAndRoomForManySockets) {
  EXPECT_EQ(runtime_context().get(zmq::ctxopt::io_threads), 0);
  EXPECT_EQ(runtime_context().get(zmq::ctxopt::max_sockets), kRuntimeContextSockets);
}

#ifndef __SANITIZE_THREAD__  // which forbids threads in the child of a process that has some
TEST(RuntimeContext, IsMadeAfreshInAForkedChildAndStaysInTheParent) {
  void* const parents = runtime_context().handle();
  EXPECT_EQ(exit_code_of_child([parents] {
              zmq::context_t& own = runtime_context();
              if (own.handle() == parents) return 1;
              zmq::socket_t socket(own, zmq::socket_type::pair);
              return &own == &runtime_context() ? 0 : 2;
            }),
            0);
  EXPECT_EQ(runtime_context().handle(), parents);
}
#endif

}  // namespace
}  // namespace zmqloop::testing
