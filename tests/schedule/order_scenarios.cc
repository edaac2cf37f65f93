// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Scenarios: the order of posts, and the lanes they travel in.
#include <array>
#include <memory>
#include <optional>

#include "tests/schedule/consumer.h"
#include "tests/schedule/parcel.h"
#include "tests/schedule/scenario.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/mailbox/pending_limit.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::schedule {
namespace {

// Posts callables in the order of their numbers, from several threads: each thread waits until all
// posts with lower numbers have returned.
class PostsInTurn {
 public:
  PostsInTurn(TestMailbox& mailbox, Sequence& sequence) : mailbox_(mailbox), sequence_(sequence) {}

  void post(int first, int count = 1) {
    while (next_.load(std::memory_order_acquire) != first) yield();
    for (int i = 0; i < count; ++i) mailbox_.post_accepted(sequence_.number(first + i));
    next_.store(first + count, std::memory_order_release);
  }

 private:
  TestMailbox& mailbox_;
  Sequence& sequence_;
  Atom<int> next_{0};
};

SCENARIO(two_posters, "M1 M2 W1",
         "what each of two threads posts runs once, in the order of its posts") {
  TestMailbox mailbox(0);
  std::array<Sequence, 2> sequences;
  const auto post_three = [&mailbox](Sequence& sequence) {
    for (int i = 0; i < 3; ++i) mailbox.post_accepted(sequence.number(i));
  };
  const Thread a("A", [&] { post_three(sequences[0]); });
  const Thread b("B", [&] { post_three(sequences[1]); });
  mailbox.run_until([&] { return sequences[0].run() == 3 && sequences[1].run() == 3; });
}

SCENARIO(pending_limit, "M2 Rel_K3",
         "each poster exceeds a limit by one post at most, and in time there is room for all") {
  constexpr int kMost = 2;
  constexpr int kPosts = 3;  // of each thread
  TestMailbox mailbox(0);
  PendingLimit limit(kMost);
  int run = 0;
  const auto try_until_posted = [&] {
    for (int posted = 0; posted < kPosts;) {
      if (limit.is_reached(mailbox)) {
        yield();
        continue;
      }
      mailbox.post_accepted([&] { ++run; });
      ++posted;
    }
  };
  const Thread a("A", try_until_posted);
  const Thread b("B", try_until_posted);
  while (run < 2 * kPosts) {
    require(mailbox.untaken(mailbox.look()) <= kMost + 1, "more waited than the limit and one");
    if (mailbox.run_batch() == 0) yield();
  }
}

SCENARIO(hand_over, "M1 W1 Rel_A4 Rel_O8",
         "what one thread posts before it tells another to post runs before what that one posts") {
  TestMailbox mailbox(0);
  Sequence sequence;
  PostsInTurn in_turn(mailbox, sequence);
  // The scan order of the lanes depends on which thread has posted first.
  const bool b_has_a_lane = choose(2) == 0;
  const Thread a("A", [&] {
    for (const int number : {1, 3}) in_turn.post(number);
  });
  const Thread b("B", [&] {
    if (b_has_a_lane) mailbox.post_accepted([] {});
    for (const int number : {0, 2, 4}) in_turn.post(number);
  });
  mailbox.run_until([&] { return sequence.run() == 5; });
}

SCENARIO(many_lanes, "M1 M2 L1",
         "the order holds over more lanes than the loop keeps in mind, some with several posts") {
  TestMailbox mailbox(0);
  Sequence sequence;
  PostsInTurn in_turn(mailbox, sequence);
  const auto post_pairs = [&](int first) {
    for (int pair = first; pair < 8; pair += 5) in_turn.post(2 * pair, 2);
  };
  const Thread a("A", [&] { post_pairs(0); });
  const Thread b("B", [&] { post_pairs(1); });
  const Thread c("C", [&] { post_pairs(2); });
  const Thread d("D", [&] { post_pairs(3); });
  const Thread e("E", [&] { post_pairs(4); });
  mailbox.run_until([&] { return sequence.run() == 16; });
}

SCENARIO(
    order_past_a_straggler, "M1 M3 Rel_A5 Rel_O5",
    "while a poster is stopped between ticket and slot, the others' order holds, and after it") {
  TestMailbox mailbox(1);
  Sequence sequence;
  Fate late;
  PostsInTurn in_turn(mailbox, sequence);
  Thread a("A", [&] {
    mailbox.post_accepted([] {});  // A has a lane from here on
    const MayStop may_stop(6);
    mailbox.post_accepted(Parcel(late));
  });
  const Thread b("B", [&] {
    for (const int number : {0, 2, 4}) in_turn.post(number);
  });
  const Thread c("C", [&] {
    for (const int number : {1, 3}) in_turn.post(number);
  });
  mailbox.run_until([&] { return sequence.run() == 5; });
  a.resume();
  a.join();
  mailbox.signal_post_accepted(sequence.number(5));
  mailbox.post_accepted(sequence.number(6));
  mailbox.run_until([&] { return mailbox.all_taken(); });
  late.require_run_once();
  require(sequence.run() == 7, "a callable did not run");
}

SCENARIO(first_posts, "M1 S1 S2",
         "lanes that threads take while the loop looks at all lanes are seen by the next look") {
  TestMailbox mailbox(0);
  Sequence sequence;
  PostsInTurn in_turn(mailbox, sequence);
  const Thread a("A", [&] { in_turn.post(0); });
  const Thread b("B", [&] { in_turn.post(1); });
  const Thread c("C", [&] { in_turn.post(2); });
  mailbox.run_until([&] { return sequence.run() == 3; });
}

SCENARIO(adopted_lane, "L1 S3 Rel_M1",
         "a thread that exits leaves its lane, with what is in it, to the next one") {
  TestMailbox mailbox(0);
  Sequence sequence;
  const Thread parent("parent", [&] {
    for (const int first : {0, 2, 4}) {
      const Thread child("child", [&mailbox, &sequence, first] {
        mailbox.post_accepted(sequence.number(first));
        mailbox.post_accepted(sequence.number(first + 1));
      });
    }
  });
  mailbox.run_until([&] { return sequence.run() == 6; });
  require(mailbox.lanes() == 1, "threads that came one after the other used more than one lane");
}

SCENARIO(churning_threads, "M1 S3 Rel_M1 Rel_M4",
         "lanes that change owners while others post keep each thread's order and lose nothing") {
  TestMailbox mailbox(0);
  std::array<Sequence, 4> sequences;
  const auto post_two_and_exit = [&mailbox](Sequence& sequence) {
    const Thread child("child", [&mailbox, &sequence] {
      for (int i = 0; i < 2; ++i) mailbox.post_accepted(sequence.number(i));
    });
  };
  const auto parent = [&](std::size_t first) {
    post_two_and_exit(sequences[first]);
    post_two_and_exit(sequences[first + 1]);
  };
  const Thread a("A", [&] { parent(0); });
  const Thread b("B", [&] { parent(2); });
  mailbox.run_until([&] {
    int run = 0;
    for (const Sequence& sequence : sequences) run += sequence.run();
    return run == 8;
  });
  require(mailbox.lanes() <= 2, "more lanes than threads that posted at one time");
}

SCENARIO(segments, "L2 L3 Rel_A8",
         "lanes that grow and get their segments back never show a slot too early or twice") {
  TestMailbox mailbox(0);
  std::array<Fate, 12> fates;
  const auto post_from = [&](std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) mailbox.post_accepted(Parcel(fates[i]));
  };
  const Thread a("A", [&] { post_from(0, 8); });
  const Thread b("B", [&] { post_from(8, 12); });
  mailbox.run_until([&] { return mailbox.taken() == fates.size(); });
  for (const Fate& fate : fates) fate.require_run_once();
}

SCENARIO(trimming, "L3 Rel_M2", "segments that the loop frees are not those a poster is taking") {
  constexpr int kPosts = 6;
  TestMailbox mailbox(0);
  std::array<Fate, 2 * kPosts> fates;
  const auto post_from = [&](std::size_t first) {
    for (std::size_t i = first; i < first + kPosts; ++i) mailbox.post_accepted(Parcel(fates[i]));
  };
  const Thread a("A", [&] { post_from(0); });
  const Thread b("B", [&] { post_from(kPosts); });
  while (mailbox.taken() != fates.size()) {
    if (mailbox.run_batch() == 0) yield();
    mailbox.trim();
  }
  for (const Fate& fate : fates) fate.require_run_once();
}

SCENARIO(mailboxes_made_at_once, "M2 Rel_M4",
         "mailboxes that two threads make at the same time are not taken for one") {
  std::array<std::optional<TestMailbox>, 2> mailboxes;
  {
    const Thread a("A", [&] { mailboxes[0].emplace(0u); });
    const Thread b("B", [&] { mailboxes[1].emplace(0u); });
  }
  std::array<Fate, 2> fates;
  for (std::size_t i = 0; i < 2; ++i) mailboxes[i]->post_accepted(Parcel(fates[i]));
  for (auto& mailbox : mailboxes) {
    require(mailbox->run_batch() == 1, "a post went to another mailbox");
  }
  for (const Fate& fate : fates) fate.require_run_once();
}

// A callable that posts when it is moved into its slot.
class PostsWhenMoved {
 public:
  PostsWhenMoved(TestMailbox& mailbox, Fate& own, Fate& posted)
      : mailbox_(mailbox), own_(own), posted_(posted) {}
  PostsWhenMoved(PostsWhenMoved&& other) noexcept
      : mailbox_(other.mailbox_), own_(std::move(other.own_)), posted_(other.posted_) {
    mailbox_.post_accepted(Parcel(posted_));
  }
  PostsWhenMoved& operator=(PostsWhenMoved&&) = delete;
  void operator()() const { own_(); }

 private:
  TestMailbox& mailbox_;
  Parcel own_;
  Fate& posted_;
};

SCENARIO(post_within_a_post, "S3 M2",
         "a callable that posts while it is moved into its slot uses another lane") {
  TestMailbox mailbox(0);
  std::array<Fate, 5> fates;
  const Thread a("A", [&] {
    mailbox.post_accepted(PostsWhenMoved(mailbox, fates[0], fates[1]));
    mailbox.post_accepted(Parcel(fates[2]));
  });
  const Thread b("B", [&] { mailbox.post_accepted(PostsWhenMoved(mailbox, fates[3], fates[4])); });
  mailbox.run_until([&] { return mailbox.taken() == fates.size(); });
  for (const Fate& fate : fates) fate.require_run_once();
}

// A callable whose copy constructor throws, after letting other threads run.
struct ThrowsWhenCopied {
  struct Thrown {};
  ThrowsWhenCopied() = default;
  ThrowsWhenCopied(const ThrowsWhenCopied&) {
    yield();
    throw Thrown();
  }
  ThrowsWhenCopied& operator=(const ThrowsWhenCopied&) = delete;
  void operator()() const { fail("a callable ran whose copy failed"); }
};

SCENARIO(throwing_copies, "M2 M3",
         "a post whose copy throws has posted nothing and holds nobody up") {
  TestMailbox mailbox(0);
  std::array<Sequence, 2> sequences;
  const auto post_three = [&mailbox](Sequence& sequence) {
    const ThrowsWhenCopied throws;
    for (int i = 0; i < 3; ++i) {
      try {
        mailbox.post_accepted(throws);
        fail("a copy that throws was accepted");
      } catch (const ThrowsWhenCopied::Thrown&) {
        mailbox.post_accepted(sequence.number(i));
      }
    }
  };
  const Thread a("A", [&] { post_three(sequences[0]); });
  const Thread b("B", [&] { post_three(sequences[1]); });
  mailbox.run_until([&] { return sequences[0].run() == 3 && sequences[1].run() == 3; });
  require(mailbox.all_taken(), "a ticket was taken for nothing");
}

}  // namespace
}  // namespace zmqloop::schedule
