// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop for scenarios: the library's LoopCore, run as IOLoop runs it.

#ifndef ZMQLOOP_TESTS_SCHEDULE_TEST_LOOP_H_
#define ZMQLOOP_TESTS_SCHEDULE_TEST_LOOP_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <typeinfo>

#include "tests/schedule/failure.h"
#include "tests/schedule/thread.h"

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop::schedule {

class TestLoop final : private ExceptionSink {
 public:
  explicit TestLoop(std::size_t signal_slots = 4)
      : core_(std::make_shared<LoopCore>(options(signal_slots), "tested",
                                         LoopAffinity::Owner::kUser,
                                         static_cast<ExceptionSink&>(*this))) {}

  LoopCore& core() { return *core_; }
  const std::shared_ptr<LoopCore>& shared_core() const { return core_; }

  // Runs until a stop; returns at once if one is already latched.
  void run() {
    if (core_->clear_stop()) return;
    ThreadRole::set_loop_name("tested");
    core_->run(never_done_);
    core_->clear_stop();
    ThreadRole::set_loop_name(nullptr);
  }
  template <class F>
  void post_accepted(F&& f) {
    require(core_->post(std::forward<F>(f)), "a post was refused");
  }

 private:
  static LoopOptions options(std::size_t signal_slots) {
    LoopOptions options;
    // A step takes a microsecond.
    options.idle_spin = std::chrono::microseconds(std::array{0u, 20u, 200u}[choose(3)]);
    options.signal_slots = signal_slots;
    return options;
  }
  void on_user_exception(std::exception_ptr, const std::type_info*, std::uint64_t) override {
    fail("a callable threw");
  }

  const bool never_done_ = false;
  const std::shared_ptr<LoopCore> core_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_TEST_LOOP_H_
