// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/fork_guard.h"

#include <atomic>
#include <memory>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

// Runs `f` in a forked child; returns its exit code.
template <class F>
int in_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A mailbox that is poisoned in a forked child, as that of a loop is.
class GuardedMailbox {
 public:
  Mailbox& mailbox() { return mailbox_; }
  int told() const { return told_; }
  bool is_foreign() const { return guard_.is_foreign(); }

 private:
  static void in_child(void* self) noexcept {
    auto& guarded = *static_cast<GuardedMailbox*>(self);
    ++guarded.told_;
    guarded.mailbox_.poison();
  }

  Mailbox mailbox_{4};
  int told_ = 0;
  ForkGuard guard_{&in_child, this};
};

TEST(ForkGuard, IsForeignInAForkedChildOnly) {
  const GuardedMailbox guarded;
  EXPECT_FALSE(guarded.is_foreign());
  EXPECT_EQ(in_child([&] { return guarded.is_foreign() && guarded.told() == 1 ? 0 : 1; }), 0);
  EXPECT_FALSE(guarded.is_foreign());
  EXPECT_EQ(guarded.told(), 0);
}

TEST(ForkGuard, IsAtHomeInTheChildThatMadeIt) {
  const GuardedMailbox parents;
  EXPECT_EQ(in_child([] {
              const GuardedMailbox fresh;
              return fresh.is_foreign() ? 1 : 0;
            }),
            0);
}

TEST(ForkGuard, TellsGrandchildrenToo) {
  const GuardedMailbox guarded;
  EXPECT_EQ(in_child([&] {
              const GuardedMailbox childs;
              return in_child([&] {
                return guarded.is_foreign() && childs.is_foreign() && childs.told() == 1 ? 0 : 1;
              });
            }),
            0);
}

TEST(ForkGuard, TellsEveryGuardThatStillExists) {
  auto a = std::make_unique<GuardedMailbox>();
  auto b = std::make_unique<GuardedMailbox>();
  auto c = std::make_unique<GuardedMailbox>();
  b.reset();
  EXPECT_EQ(in_child([&] { return a->told() == 1 && c->told() == 1 ? 0 : 1; }), 0);
  a.reset();
  EXPECT_EQ(in_child([&] { return c->told() == 1 ? 0 : 1; }), 0);
}

TEST(ForkGuard, LetsAMailboxRefusePostsInTheChildAndNotInTheParent) {
  GuardedMailbox guarded;
  int run = 0;
  static_cast<void>(guarded.mailbox().post([&run] { ++run; }));
  EXPECT_EQ(in_child([&] {
              Mailbox& mailbox = guarded.mailbox();
              if (mailbox.post([] {}) != PostResult::kRefused) return 1;
              if (mailbox.post_from_signal([] {}) != PostResult::kRefused) return 2;
              if (!mailbox.poisoned() || mailbox.take() != nullptr) return 3;
              if (mailbox.close() != 0) return 4;
              return run;
            }),
            0);
  EXPECT_EQ(guarded.mailbox().post([&run] { ++run; }), PostResult::kAccepted);
  EXPECT_EQ(testing::run_batch(guarded.mailbox()), 2u);
  EXPECT_EQ(run, 2);
}

// The forking thread may be in the middle of the mailbox's batch.
TEST(ForkGuard, EndsTheBatchThatTheForkInterrupted) {
  GuardedMailbox guarded;
  int run_in_child = 0;
  int status = -1;
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(guarded.mailbox().post([&, i] {
      if (i != 4) {
        ++run_in_child;
        return;
      }
      const pid_t child = ::fork();
      if (child == 0) {
        run_in_child = 0;
        return;  // the child goes on with the batch
      }
      EXPECT_EQ(::waitpid(child, &status, 0), child);
    }));
  }
  testing::run_batch(guarded.mailbox());
  if (guarded.is_foreign()) ::_exit(run_in_child == 0 ? 0 : 1);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(run_in_child, 9);
}

TEST(ForkGuard, LetsAChildForkedAmongPostersEnd) {
  GuardedMailbox guarded;
  std::atomic<bool> stop{false};
  std::vector<std::thread> posters;
  for (int i = 0; i < 2; ++i) {
    posters.emplace_back([&] {
      while (!stop.load()) {
        static_cast<void>(guarded.mailbox().post([] {}));
        std::thread([&] { static_cast<void>(guarded.mailbox().post([] {})); }).join();
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    const int code =
        in_child([&] { return guarded.mailbox().post([] {}) == PostResult::kRefused ? 0 : 1; });
    ASSERT_EQ(code, 0);
    testing::run_batch(guarded.mailbox());
  }
  stop.store(true);
  for (std::thread& poster : posters) poster.join();
}

}  // namespace
}  // namespace zmqloop
