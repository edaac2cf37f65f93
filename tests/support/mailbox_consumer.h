// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Helpers for tests of the mailbox: a consumer's batch, a doorbell to sleep on, and a thread that
// notices a hang.

#ifndef ZMQLOOP_TESTS_SUPPORT_MAILBOX_CONSUMER_H_
#define ZMQLOOP_TESTS_SUPPORT_MAILBOX_CONSUMER_H_

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <poll.h>
#include <sched.h>
#include <semaphore>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop::testing {

// Runs one batch; returns how many callables ran.
inline std::uint64_t run_batch(Mailbox& mailbox) {
  std::uint64_t run = 0;
  mailbox.begin_batch(mailbox.look());
  for (Slot* slot = mailbox.take(); slot != nullptr; slot = mailbox.take(), ++run) slot->run();
  return run;
}

// A loop sleeps on it: rings are hints, and many count as one.
class Doorbell {
 public:
  Doorbell() : fd_(::eventfd(0, EFD_CLOEXEC)) { EXPECT_GE(fd_, 0); }
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  ~Doorbell() { ::close(fd_); }

  void ring() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(fd_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
  void wait() {
    std::uint64_t rings = 0;
    while (::read(fd_, &rings, sizeof(rings)) < 0) EXPECT_EQ(errno, EINTR);
  }
  bool has_rung() const {
    pollfd item{fd_, POLLIN, 0};
    return ::poll(&item, 1, 0) == 1;
  }

 private:
  const int fd_;
};

// Posts as a loop's user does: rings if the consumer sleeps. Returns false if refused.
template <class F>
bool post_and_ring(Mailbox& mailbox, Doorbell& doorbell, F&& f) {
  const PostResult result = mailbox.post(std::forward<F>(f));
  if (result == PostResult::kMustWake) {
    doorbell.ring();
    mailbox.woken();
  }
  return result != PostResult::kRefused;
}

// Waits for another thread's next step without keeping the core from it.
class Backoff {
 public:
  void step() {
    if (++steps_ % 64 == 0) sched_yield();
  }

 private:
  unsigned steps_ = 0;
};

// Ends the process with a dump when `progress` stands still for ten seconds. A hang in a test is a
// lost wake-up or a lost post; the dump shows which.
class HangOracle {
 public:
  HangOracle(std::function<std::uint64_t()> progress, std::function<void()> dump)
      : watcher_([this, progress = std::move(progress), dump = std::move(dump)] {
          std::uint64_t seen = progress();
          while (!done_.try_acquire_for(std::chrono::seconds(10))) {
            const std::uint64_t now = progress();
            if (now == seen) {
              std::fprintf(stderr, "no progress for 10 s at %llu\n",
                           static_cast<unsigned long long>(now));
              dump();
              std::abort();
            }
            seen = now;
          }
        }) {}
  ~HangOracle() {
    done_.release();
    watcher_.join();
  }

 private:
  std::binary_semaphore done_{0};
  std::thread watcher_;
};

// Prints the part of a mailbox's state that any thread may read.
inline void dump_mailbox(const Mailbox& mailbox) {
  const ControlWord::View word = mailbox.look();
  std::fprintf(stderr, "mailbox: next ticket %llu, taken %llu, asleep %d, stop %d, closed %d\n",
               static_cast<unsigned long long>(word.next_ticket()),
               static_cast<unsigned long long>(mailbox.taken()), word.asleep(),
               word.stop_requested(), word.closed());
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_MAILBOX_CONSUMER_H_
