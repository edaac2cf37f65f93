// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Scenarios: posts while the mailbox closes or threads end.
#include <array>
#include <memory>
#include <optional>

#include "tests/schedule/consumer.h"
#include "tests/schedule/parcel.h"
#include "tests/schedule/scenario.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::schedule {
namespace {

SCENARIO(post_against_close, "W2 M2 Rel_B1 Rel_B2 Rel_B8",
         "what is accepted runs or is destroyed by close(), what is refused by its poster, once") {
  TestMailbox mailbox(0);
  std::array<Fate, 4> fates;
  std::array<bool, 4> accepted{};
  const auto post_two = [&](std::size_t first) {
    for (std::size_t i = first; i < first + 2; ++i) {
      accepted[i] = mailbox.post(Parcel(fates[i])) != PostResult::kRefused;
      require(accepted[i] || fates[i].ends == 1, "a refused callable outlived its post");
    }
  };
  Thread a("A", [&] { post_two(0); });
  Thread b("B", [&] { post_two(2); });
  const std::size_t run = choose(2) == 0 ? mailbox.run_batch() : 0;
  const std::size_t abandoned = mailbox.close();
  require(mailbox.run_batch() == 0, "something was taken after the close");
  a.join();
  b.join();
  std::size_t found_run = 0;
  std::size_t found_abandoned = 0;
  for (std::size_t i = 0; i < fates.size(); ++i) {
    if (fates[i].runs != 0) {
      require(accepted[i], "a refused callable ran");
      fates[i].require_run_once();
      ++found_run;
    } else {
      fates[i].require_dropped();
      if (accepted[i]) ++found_abandoned;
    }
  }
  require(found_run == run && found_abandoned == abandoned, "close() reported a wrong number");
}

// A callable that posts when it is destroyed.
class PostsAtItsEnd {
 public:
  PostsAtItsEnd(TestMailbox& mailbox, PostResult& result) : mailbox_(&mailbox), result_(&result) {}
  PostsAtItsEnd(PostsAtItsEnd&& other) noexcept
      : mailbox_(std::exchange(other.mailbox_, nullptr)), result_(other.result_) {}
  PostsAtItsEnd& operator=(PostsAtItsEnd&&) = delete;
  ~PostsAtItsEnd() {
    if (mailbox_ != nullptr) *result_ = mailbox_->post([] {});
  }
  void operator()() const {}

 private:
  TestMailbox* mailbox_;
  PostResult* result_;
};

SCENARIO(destructors_post, "W2 Rel_B2 Rel_B8",
         "what the destructor of an abandoned callable posts is refused") {
  TestMailbox mailbox(0);
  PostResult result = PostResult::kAccepted;
  Thread a("A", [&] { static_cast<void>(mailbox.post(PostsAtItsEnd(mailbox, result))); });
  Thread b("B", [&] { static_cast<void>(mailbox.post([] {})); });
  mailbox.close();
  a.join();
  b.join();
  require(result == PostResult::kRefused, "a post was accepted after the close");
}

// A thread-local object that posts when its thread ends.
struct PostsAtThreadEnd {
  TestMailbox* mailbox = nullptr;
  Fate* fate = nullptr;
  ~PostsAtThreadEnd() {
    if (mailbox != nullptr) mailbox->post_accepted(Parcel(*fate));
  }
};

SCENARIO(posts_at_thread_end, "S3 L1 Rel_M5",
         "a thread that is ending, its own lanes given back already, may still post") {
  TestMailbox mailbox(0);
  std::array<Fate, 4> fates;
  const auto post_twice = [&](std::size_t first) {
    // Decides if the object is made before or after the thread's lanes, and so destroyed after or
    // before them.
    const bool before = choose(2) == 0;
    const auto prepare = [&] {
      auto& at_end = per_thread<PostsAtThreadEnd>();
      at_end.mailbox = &mailbox;
      at_end.fate = &fates[first];
    };
    if (before) prepare();
    mailbox.post_accepted(Parcel(fates[first + 1]));
    if (!before) prepare();
  };
  Thread a("A", [&] { post_twice(0); });
  Thread b("B", [&] { post_twice(2); });
  mailbox.run_until([&] { return mailbox.taken() == fates.size(); });
  a.join();
  b.join();
  for (const Fate& fate : fates) fate.require_run_once();
}

SCENARIO(thread_outlives_mailbox, "M4 Rel_M2 Rel_M3",
         "threads that have lanes in a mailbox that is gone go on posting to others, and end") {
  std::optional<TestMailbox> first(std::in_place, 0u);
  TestMailbox second(0);
  std::array<Fate, 4> fates;
  Atom<int> posted{0};
  const auto post_to_both = [&](std::size_t i) {
    first->post_accepted(Parcel(fates[i]));
    posted.fetch_add(1, std::memory_order_release);
    second.post_accepted(Parcel(fates[i + 1]));
  };
  Thread a("A", [&] { post_to_both(0); });
  Thread b("B", [&] { post_to_both(2); });
  while (posted.load(std::memory_order_acquire) != 2) yield();
  first.reset();
  second.run_until([&] { return second.taken() == 2; });
  a.join();
  b.join();
  for (const std::size_t i : {0u, 2u}) {
    fates[i].require_dropped();
    fates[i + 1].require_run_once();
  }
}

SCENARIO(poster_stops, "M3 Rel_A5 Rel_E14",
         "a poster that is stopped anywhere in a post holds nobody else's posts back") {
  TestMailbox mailbox(2);
  std::array<Fate, 4> fates;
  int signal_posts = 0;
  const bool from_signal = choose(2) == 0;
  Thread a("A", [&] {
    mailbox.post_accepted(Parcel(fates[0]));  // A has a lane from here on
    const MayStop may_stop(12);
    if (from_signal) {
      mailbox.signal_post_accepted([&signal_posts] { ++signal_posts; });
    } else {
      mailbox.post_accepted(Parcel(fates[1]));
    }
  });
  Thread b("B", [&] {
    mailbox.post_accepted(Parcel(fates[2]));
    mailbox.signal_post_accepted([&signal_posts] { ++signal_posts; });
    mailbox.post_accepted(Parcel(fates[3]));
  });
  b.join();
  mailbox.run_until([&] { return fates[2].runs + fates[3].runs == 2; });
  if (mailbox.try_fall_asleep()) mailbox.wake_up();
  a.resume();
  a.join();
  while (!mailbox.all_taken()) mailbox.run_batch();
  for (const std::size_t i : {0u, 2u, 3u}) fates[i].require_run_once();
  require(from_signal || fates[1].runs == 1, "the stopped poster's callable did not run");
  require(signal_posts == (from_signal ? 2 : 1), "a signal post was lost or ran twice");
}

}  // namespace
}  // namespace zmqloop::schedule
