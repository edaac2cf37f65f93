// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Scenarios: posts from signal handlers.
#include <array>
#include <cstdint>
#include <memory>

#include "tests/schedule/consumer.h"
#include "tests/schedule/parcel.h"
#include "tests/schedule/scenario.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::schedule {
namespace {

SCENARIO(signal_interrupts_post, "M2 Rel_E1 Rel_M11",
         "handlers that interrupt a post of their own thread post too, and nothing is lost") {
  TestMailbox mailbox(8);
  std::array<Sequence, 2> sequences;
  std::array<Sequence, 2> from_handlers;
  Thread a("A", [&] {
    for (int i = 0; i < 3; ++i) mailbox.post_accepted(sequences[0].number(i));
  });
  Thread b("B", [&] {
    for (int i = 0; i < 3; ++i) mailbox.post_accepted(sequences[1].number(i));
  });
  const auto handler = [&](Sequence& sequence) {
    return [&mailbox, &sequence] {
      for (int i = 0; i < 2; ++i) mailbox.signal_post_accepted(sequence.number(i));
    };
  };
  int signals = 0;
  if (a.signal(handler(from_handlers[0]))) ++signals;
  if (b.signal(handler(from_handlers[1]))) ++signals;
  mailbox.run_until([&] { return mailbox.taken() == static_cast<std::uint64_t>(6 + 2 * signals); });
}

SCENARIO(nested_signals, "M2 Rel_E9", "handlers that interrupt handlers post each what they post") {
  TestMailbox mailbox(4);
  std::array<int, 4> ran{};
  const auto post = [&](std::size_t i) { mailbox.signal_post_accepted([&ran, i] { ++ran[i]; }); };
  Thread a("A", [&] { post(0); });
  std::size_t signals = 0;
  for (const std::size_t i : {1u, 2u, 3u}) {
    if (a.signal([&, i] { post(i); })) ++signals;
  }
  mailbox.run_until([&] { return mailbox.taken() == 1 + signals; });
  a.join();
  for (const int times : ran) require(times <= 1, "a handler's post ran twice");
}

SCENARIO(
    signal_slots_full, "M2 Rel_E5",
    "when all slots are taken a post is refused; those accepted run, in order, and free them") {
  TestMailbox mailbox(2);
  std::array<int, 2> accepted{};
  std::array<int, 2> run{};
  const auto post_three = [&](std::size_t who) {
    for (int i = 0; i < 3; ++i) {
      // Its number: how many were accepted before it.
      const int number = accepted[who];
      const auto callable = [&run, who, number] {
        require(run[who] == number, "signal posts ran in another order than they were accepted");
        ++run[who];
      };
      if (mailbox.post_from_signal(callable) == PostResult::kAccepted) ++accepted[who];
    }
  };
  Thread a("A", [&] { post_three(0); });
  Thread b("B", [&] { post_three(1); });
  const std::size_t batches = choose(3);
  for (std::size_t i = 0; i < batches; ++i) mailbox.run_batch();
  a.join();
  b.join();
  while (!mailbox.all_taken()) mailbox.run_batch();
  require(run == accepted, "a signal post that was accepted did not run");
  require(mailbox.signal_posts_accepted() + mailbox.signal_posts_refused() == 6,
          "the counts of accepted and refused do not add up");
  for (int i = 0; i < 2; ++i) {
    require(mailbox.post_from_signal([] {}) == PostResult::kAccepted, "a slot was never freed");
  }
  require(mailbox.post_from_signal([] {}) == PostResult::kRefused, "a slot was freed twice");
}

// A poster may write data for the callable before it posts: the callable must see that data.
SCENARIO(
    signal_post_publishes, "W1 Rel_A4",
    "what a thread wrote before its signal post is visible to the callable, also in used slots") {
  TestMailbox mailbox(1);
  std::array<int, 3> messages{};
  int run = 0;
  const auto send = [&](std::size_t i) {
    messages[i] = 7;
    const auto callable = [&messages, &run, i] {
      require(messages[i] == 7, "a message was not seen");
      ++run;
    };
    while (mailbox.post_from_signal(callable) == PostResult::kRefused) yield();
  };
  Thread a("A", [&] { send(0); });
  Thread b("B", [&] { send(1); });
  Thread c("C", [&] { send(2); });
  mailbox.run_until([&] { return run == 3; });
}

SCENARIO(
    reservations, "M2 Rel_E5",
    "slots that are reserved, raised and given back by two threads are neither lost nor shared") {
  TestMailbox mailbox(2);
  std::array<Atom<int>, 2> runs;
  Atom<int> reserved{0};
  Atom<int> looked{0};
  Atom<int> ended{0};
  const auto add_and_wait_for_both = [](Atom<int>& count) {
    count.fetch_add(1, std::memory_order_release);
    while (count.load(std::memory_order_acquire) != 2) yield();
  };
  const auto raise_twice = [&](std::size_t who) {
    Slot* const slot = mailbox.reserve_signal_slot(
        [&run = runs[who]] { run.fetch_add(1, std::memory_order_release); });
    require(slot != nullptr, "two reservations found two slots taken");
    for (int raises = 1; raises <= 2; ++raises) {
      require(mailbox.raise(*slot) == PostResult::kAccepted, "a raise was refused");
      while (runs[who].load(std::memory_order_acquire) != raises) yield();
    }
    add_and_wait_for_both(reserved);
    require(mailbox.post_from_signal([] {}) == PostResult::kRefused, "a reserved slot was taken");
    add_and_wait_for_both(looked);
    mailbox.unreserve_signal_slot(*slot);
    ended.fetch_add(1, std::memory_order_release);
  };
  const Thread a("A", [&] { raise_twice(0); });
  const Thread b("B", [&] { raise_twice(1); });
  mailbox.run_until([&] { return ended.load(std::memory_order_acquire) == 2; });
  for (int times = 0; times < 2; ++times) {
    for (int i = 0; i < 2; ++i) mailbox.signal_post_accepted([] {});
    require(mailbox.post_from_signal([] {}) == PostResult::kRefused, "a slot was freed twice");
    mailbox.run_batch();
  }
}

SCENARIO(signal_post_against_close, "W2 M4 Rel_B6",
         "a signal post that is accepted is taken by close(), a later one is refused") {
  TestMailbox mailbox(4);
  int run = 0;
  std::array<int, 2> accepted{};
  const auto post = [&](std::size_t who) {
    if (mailbox.post_from_signal([&run] { ++run; }) != PostResult::kRefused) ++accepted[who];
  };
  Thread a("A", [&] { post(0); });
  Thread b("B", [&] { yield(); });
  const bool raised = b.signal([&] { post(1); });
  static_cast<void>(raised);
  const std::size_t taken = choose(2) == 0 ? mailbox.run_batch() : 0;
  const std::size_t abandoned = mailbox.close();
  a.join();
  b.join();
  require(static_cast<std::size_t>(accepted[0] + accepted[1]) == taken + abandoned,
          "an accepted signal post was neither run nor abandoned");
  require(static_cast<std::size_t>(run) == taken, "an abandoned signal post ran");
}

}  // namespace
}  // namespace zmqloop::schedule
