// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tracks the posts that a loop owes: those accepted and not yet run, in their order.
//
// Threads: one.
// Errors: ends the process if a post runs when it should not.

#ifndef ZMQLOOP_TESTS_FUZZ_EXPECTED_POSTS_H_
#define ZMQLOOP_TESTS_FUZZ_EXPECTED_POSTS_H_

#include <cstdint>
#include <deque>

#include "tests/fuzz/promise.h"

namespace zmqloop::fuzz {

class ExpectedPosts {
 public:
  void accepted(unsigned id) { waiting_.push_back(id); }
  void refused() { ++refused_; }
  void runs(unsigned id) {
    require(!waiting_.empty() && waiting_.front() == id, "posts run once, in their order");
    waiting_.pop_front();
    ++run_;
  }
  void abandoned() { waiting_.clear(); }

  std::uint64_t waiting() const { return waiting_.size(); }
  std::uint64_t run() const { return run_; }
  std::uint64_t refusals() const { return refused_; }

 private:
  std::deque<unsigned> waiting_;
  std::uint64_t run_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_EXPECTED_POSTS_H_
