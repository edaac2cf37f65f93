// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A mailbox and its consumer without a loop, for scenarios about the mailbox alone.

#ifndef ZMQLOOP_TESTS_SCHEDULE_CONSUMER_H_
#define ZMQLOOP_TESTS_SCHEDULE_CONSUMER_H_

#include <cstddef>
#include <utility>

#include "tests/schedule/failure.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop::schedule {

class TestMailbox : public Mailbox {
 public:
  using Mailbox::Mailbox;

  // Posts; fails if the mailbox is closed.
  template <class F>
  void post_accepted(F&& f) {
    const PostResult result = post(std::forward<F>(f));
    require(result != PostResult::kRefused, "a post was refused");
    if (result == PostResult::kMustWake) woken();
  }

  // Posts from a signal handler; fails if the mailbox is closed or has no free slot.
  template <class F>
  void signal_post_accepted(const F& f) {
    const PostResult result = post_from_signal(f);
    require(result != PostResult::kRefused, "a signal post was refused");
    if (result == PostResult::kMustWake) woken();
  }

  // Runs one batch; returns how many callables ran.
  std::size_t run_batch() {
    begin_batch(look());
    std::size_t run = 0;
    for (Slot* slot = take(); slot != nullptr; slot = take(), ++run) slot->run();
    return run;
  }
  // Runs batches until `done()` is true.
  template <class Done>
  void run_until(Done done) {
    while (!done()) {
      if (run_batch() == 0) yield();
    }
  }

  std::size_t lanes() const { return lanes_->size(); }
};

// Checks that callables run in the order of their numbers, starting at 0.
class Sequence {
 public:
  // Returns the callable with number `n`.
  auto number(int n) {
    return [this, n] {
      require(n == next_, "callables ran in another order than they were posted in");
      ++next_;
    };
  }
  int run() const { return next_; }

 private:
  int next_ = 0;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_CONSUMER_H_
