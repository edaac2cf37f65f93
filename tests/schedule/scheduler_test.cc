// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests the scheduler itself: which errors it must find, and which correct code it must not report.
//
// Each scenario below has one line in kExpected: the failure that some seed must find, or none.
#include <array>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "tests/schedule/atom.h"
#include "tests/schedule/runner.h"
#include "tests/schedule/scenario.h"
#include "tests/schedule/thread.h"

namespace zmqloop::schedule {
namespace {

using Order = std::memory_order;

// Runs the same body in two threads and joins them.
template <class F>
void in_two_threads(const F& f) {
  const Thread a("A", f);
  const Thread b("B", f);
}

// ---- results of atomic operations ----

// Two threads each write one variable, then read the other's.
void store_buffering(Order order) {
  Atom<int> x{0};
  Atom<int> y{0};
  int read_by_a = 0;
  int read_by_b = 0;
  Thread a("A", [&] {
    x.store(1, order);
    read_by_a = y.load(order);
  });
  Thread b("B", [&] {
    y.store(1, order);
    read_by_b = x.load(order);
  });
  a.join();
  b.join();
  require(read_by_a + read_by_b != 0, "both loads missed both stores");
}
SCENARIO(store_buffering_relaxed, "", "") { store_buffering(Order::relaxed); }
SCENARIO(store_buffering_seq_cst, "", "") { store_buffering(Order::seq_cst); }

// One thread writes a message and then a flag.
void message_passing(Order store, Order load) {
  Atom<int> message{0};
  Atom<bool> flag{false};
  const Thread a("A", [&] {
    message.store(1, Order::relaxed);
    flag.store(true, store);
  });
  while (!flag.load(load)) yield();
  require(message.load(Order::relaxed) == 1, "the flag came before the message");
}
SCENARIO(message_unreleased, "", "") { message_passing(Order::relaxed, Order::acquire); }
SCENARIO(message_unacquired, "", "") { message_passing(Order::release, Order::relaxed); }
SCENARIO(message_passed, "", "") { message_passing(Order::release, Order::acquire); }

SCENARIO(values_do_not_go_back, "", "") {
  Atom<int> x{0};
  const Thread a("A", [&] {
    for (int i = 1; i < 5; ++i) x.store(i, Order::relaxed);
  });
  for (int before = 0, now = 0; before < 4; before = now) {
    now = x.load(Order::relaxed);
    require(now >= before, "a load returned an older value than the one before");
    yield();
  }
}

SCENARIO(updates_are_whole, "", "") {
  Atom<int> x{0};
  const auto add = [&x] {
    for (int i = 0; i < 3; ++i) x.fetch_add(1, Order::relaxed);
  };
  in_two_threads(add);
  require(x.load(Order::relaxed) == 6, "an update was lost");
}

SCENARIO(update_in_two_steps, "", "") {
  Atom<int> x{0};
  const auto add = [&x] { x.store(x.load(Order::relaxed) + 1, Order::relaxed); };
  in_two_threads(add);
  require(x.load(Order::relaxed) == 2, "an update was lost");
}

SCENARIO(failed_exchange_is_a_load, "", "") {
  Atom<int> x{0};
  Thread a("A", [&] {
    x.store(1, Order::relaxed);
    x.store(2, Order::relaxed);
  });
  Atom<bool> done{false};
  Thread b("B", [&] {
    a.join();  // has seen both stores
    int expected = 3;
    require(!x.compare_exchange_strong(expected, 4, Order::relaxed), "it exchanged");
    require(expected == 2, "a store was missed that happens before");
  });
  int expected = 3;
  require(!x.compare_exchange_strong(expected, 4, Order::relaxed), "it exchanged");
  require(x.fetch_add(0, Order::relaxed) != 2 || expected == 2, "it returned an older value");
}

// The first store publishes the message if `follow` continues its release sequence.
template <class F>
void release_sequence(F follow) {
  int message = 0;
  Atom<int> x{0};
  Thread a("A", [&] {
    message = 1;
    x.store(1, Order::release);
  });
  const Thread b("B", [&] {
    while (x.load(Order::relaxed) != 1) yield();
    follow(x);
  });
  while (x.load(Order::acquire) != 2) yield();
  require(message == 1, "the message was not seen");
}
SCENARIO(update_continues_release, "", "") {
  release_sequence([](Atom<int>& x) { x.fetch_add(1, Order::relaxed); });
}
SCENARIO(store_ends_release, "", "") {
  release_sequence([](Atom<int>& x) { x.store(2, Order::relaxed); });
}

// ---- memory ----

SCENARIO(race, "", "") {
  int counter = 0;
  const auto add = [&counter] { ++counter; };
  in_two_threads(add);
}

SCENARIO(no_race_under_a_mutex, "", "") {
  int counter = 0;
  Mutex mutex;
  const auto add = [&] {
    for (int i = 0; i < 3; ++i) {
      const std::lock_guard lock(mutex);
      ++counter;
    }
  };
  in_two_threads(add);
  require(counter == 6, "an update was lost");
}

SCENARIO(no_race_between_neighbours, "", "") {
  std::array<char, 8> bytes{};
  const Thread a("A", [&] { bytes[0] = 1; });
  const Thread b("B", [&] { bytes[1] = bytes[2]; });
}

SCENARIO(counted_references, "", "") {
  auto shared = std::make_shared<int>(0);
  Thread a("A", [copy = shared]() mutable { copy.reset(); });
  Thread b("B", [copy = shared]() mutable { copy.reset(); });
  shared.reset();
}

SCENARIO(use_after_free, "", "") {
  auto memory = std::make_unique<int>(0);
  Atom<bool> freed{false};
  const Thread a("A", [&, address = memory.get()] {
    while (!freed.load(Order::acquire)) yield();
    *address = 1;
  });
  memory.reset();
  freed.store(true, Order::release);
}

SCENARIO(leak, "", "") {
  int* volatile leaked = new int;  // volatile: otherwise the compiler removes the allocation
  static_cast<void>(leaked);
}

SCENARIO(destroyed_in_use, "", "") {
  auto atom = std::make_unique<Atom<int>>(0);
  Atom<bool> done{false};
  const Thread a("A", [&done, &used = *atom] {
    used.fetch_add(1, Order::release);
    done.store(true, Order::relaxed);
  });
  while (!done.load(Order::relaxed)) yield();
  atom.reset();
}

SCENARIO(used_unconstructed, "", "") {
  Atom<Atom<int>*> made{nullptr};
  std::unique_ptr<Atom<int>> owner;
  const Thread a("A", [&] {
    owner = std::make_unique<Atom<int>>(0);
    made.store(owner.get(), Order::relaxed);
  });
  Atom<int>* found = nullptr;
  while ((found = made.load(Order::relaxed)) == nullptr) yield();
  found->load(Order::relaxed);
}

// ---- waiting ----

SCENARIO(deadlock, "", "") {
  std::array<Mutex, 2> mutexes;
  const auto lock_both = [&](std::size_t first) {
    const std::lock_guard one(mutexes[first]);
    const std::lock_guard other(mutexes[1 - first]);
  };
  const Thread a("A", [&] { lock_both(0); });
  const Thread b("B", [&] { lock_both(1); });
}

// One thread posts work and rings if the other is asleep. The other sleeps if it finds no work.
template <class F>
void post_against_sleep(F finds_nothing) {
  Atom<bool> asleep{false};
  Atom<bool> work{false};
  Doorbell bell;
  const Thread a("A", [&] {
    work.store(true);
    if (asleep.load()) bell.ring();
  });
  if (finds_nothing(work, asleep)) Doorbell::wait_for_either(bell, bell);
}
SCENARIO(lost_wake_up, "", "") {
  post_against_sleep([](Atom<bool>& work, Atom<bool>& asleep) {
    if (work.load()) return false;
    asleep.store(true);  // and does not check again
    return true;
  });
}
SCENARIO(no_lost_wake_up, "", "") {
  post_against_sleep([](Atom<bool>& work, Atom<bool>& asleep) {
    asleep.store(true);
    return !work.load();
  });
}

SCENARIO(livelock, "", "") {
  std::array<Atom<bool>, 2> wants;
  const auto give_way = [&](std::size_t self) {
    for (;;) {
      wants[self].store(true);
      if (!wants[1 - self].load()) return;  // has got it
      wants[self].store(false);
      yield();
    }
  };
  const Thread a("A", [&] { give_way(0); });
  const Thread b("B", [&] { give_way(1); });
}

// ---- signals, and threads that stop ----

SCENARIO(handler_between_steps, "", "") {
  Atom<int> x{0};
  int seen = 0;
  Thread a("A", [&] {
    x.store(1);
    x.store(2);
  });
  require(a.signal([&] { seen = x.load(); }), "A ended early");
  a.join();
  require(seen != 1, "the handler ran between the stores");
}

SCENARIO(handler_takes_its_threads_lock, "", "") {
  Mutex mutex;
  Atom<int> guarded{0};
  const auto lock = [&] {
    const std::lock_guard guard(mutex);
    guarded.fetch_add(1);
  };
  const Thread a("A", lock);
  require(a.signal(lock), "A ended early");
}

SCENARIO(handler_while_asleep, "", "") {
  Doorbell bell;
  const Thread a("A", [&] { Doorbell::wait_for_either(bell, bell); });
  require(a.signal([&] { bell.ring(); }), "A ended early");
}

SCENARIO(stopped_thread_stays_stopped, "", "") {
  Atom<int> x{0};
  Thread a("A", [&] {
    const MayStop may_stop(4);
    for (int i = 0; i < 3; ++i) x.fetch_add(1);
  });
  a.join();
}

SCENARIO(stopped_thread_goes_on, "", "") {
  Atom<int> x{0};
  Thread a("A", [&] {
    const MayStop may_stop(4);
    for (int i = 0; i < 3; ++i) x.fetch_add(1);
  });
  yield();
  a.resume();
  a.join();
  require(x.load() == 3, "a step was left out");
}

struct Expected {
  std::string_view scenario;
  std::string_view failure;  // empty: none
};
constexpr const char* kNobody = "nobody can run";
constexpr Expected kExpected[] = {
    {"store_buffering_relaxed", "both loads missed both stores"},
    {"store_buffering_seq_cst", ""},
    {"message_unreleased", "the flag came before the message"},
    {"message_unacquired", "the flag came before the message"},
    {"message_passed", ""},
    {"values_do_not_go_back", ""},
    {"updates_are_whole", ""},
    {"update_in_two_steps", "an update was lost"},
    {"failed_exchange_is_a_load", "it returned an older value"},
    {"update_continues_release", ""},
    {"store_ends_release", "a data race with another thread's write"},
    {"race", "a data race with another thread's write"},
    {"no_race_under_a_mutex", ""},
    {"no_race_between_neighbours", ""},
    {"counted_references", ""},
    {"use_after_free", "memory was used after it was freed"},
    {"leak", "memory was leaked"},
    {"destroyed_in_use", "an atomic is destroyed that another thread may still be using"},
    {"used_unconstructed", "that may not have seen its construction"},
    {"deadlock", kNobody},
    {"lost_wake_up", kNobody},
    {"no_lost_wake_up", ""},
    {"livelock", "the schedule does not end"},
    {"handler_between_steps", "the handler ran between the stores"},
    {"handler_takes_its_threads_lock", kNobody},
    {"handler_while_asleep", ""},
    {"stopped_thread_stays_stopped", kNobody},
    {"stopped_thread_goes_on", ""},
};

// Runs a scenario under one strategy. Prints the result; returns false if it is not as expected.
bool ends_as_expected(const Scenario& scenario, std::string_view failure, StrategyKind strategy) {
  const Outcome outcome = run_seeds(scenario, {.count = 2'000, .strategy = strategy});
  const bool as_expected = failure.empty() ? outcome.failure.empty()
                                           : outcome.failure.find(failure) != std::string::npos;
  std::printf("%-32s %-6s %6llu schedules: %s\n", scenario.name.data(), name_of(strategy).data(),
              static_cast<unsigned long long>(outcome.schedules),
              !as_expected      ? "WRONG"
              : failure.empty() ? "holds"
                                : "found");
  if (!as_expected) std::fputs(outcome.failure.c_str(), stdout);
  return as_expected;
}

int run_all() {
  int wrong = 0;
  std::size_t expected = 0;
  for (const Scenario& scenario : scenarios()) {
    for (const Expected& line : kExpected) {
      if (line.scenario != scenario.name) continue;
      ++expected;
      for (const StrategyKind strategy : {StrategyKind::kRandom, StrategyKind::kPct}) {
        if (!ends_as_expected(scenario, line.failure, strategy)) ++wrong;
      }
    }
  }
  if (expected != scenarios().size()) std::printf("a scenario has no line in kExpected\n");
  return wrong == 0 && expected == scenarios().size() ? 0 : 1;
}

}  // namespace
}  // namespace zmqloop::schedule

int main() { return zmqloop::schedule::run_all(); }
