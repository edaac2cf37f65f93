// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A ZeroMQ socket that is closed behind a loop's back, and another one that gets the same handle.

#ifndef ZMQLOOP_TESTS_SUPPORT_REUSED_HANDLE_H_
#define ZMQLOOP_TESTS_SUPPORT_REUSED_HANDLE_H_

#include <cstddef>
#include <fcntl.h>
#include <thread>

#include "tests/support/process_facts.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

namespace zmqloop::testing {

class ReusedHandle {
 public:
  // Some allocators, such as AddressSanitizer's, never give memory out again at once: tests try
  // kAttempts times and then skip.
  static constexpr int kAttempts = 100;
  static constexpr const char* kNoReuse = "no other socket got handle and descriptor";

  explicit ReusedHandle(int type = ZMQ_PAIR)
      : type_(type), first_(zmq_socket(context_.handle(), type)) {
    EXPECT_NE(first_, nullptr);
  }
  ReusedHandle(const ReusedHandle&) = delete;
  ReusedHandle& operator=(const ReusedHandle&) = delete;
  ~ReusedHandle() {
    if (second_ == nullptr) {
      zmq_close(first_);
    } else if (is_open()) {
      zmq_close(second_);
    }
  }

  zmq::context_t& context() { return context_; }
  zmq::socket_ref get() const { return {zmq::from_handle, first_}; }

  // Closes the first socket and makes the second. Returns false if the second has another handle or
  // descriptor.
  bool reuse() {
    const int descriptor = descriptor_of(first_);
    zmq_close(first_);
    // A thread of libzmq closes the descriptor, and frees the socket in the next moment.
    EXPECT_TRUE(eventually([&] { return ::fcntl(descriptor, F_GETFD) == -1; }));
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    second_ = zmq_socket(context_.handle(), type_);
    return second_ == first_ && descriptor_of(second_) == descriptor;
  }
  zmq::socket_ref second() const { return {zmq::from_handle, second_}; }

  bool is_open() const {
    int type = 0;
    std::size_t size = sizeof type;
    return zmq_getsockopt(second_, ZMQ_TYPE, &type, &size) == 0;
  }

 private:
  static int descriptor_of(void* socket) {
    int descriptor = -1;
    std::size_t size = sizeof descriptor;
    EXPECT_EQ(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size), 0);
    return descriptor;
  }

  zmq::context_t context_;
  const int type_;
  void* first_;
  void* second_ = nullptr;
};

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_REUSED_HANDLE_H_
