// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Scenarios: a whole loop sleeps, wakes up, stops and ends.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <typeinfo>

#include "tests/schedule/parcel.h"
#include "tests/schedule/scenario.h"
#include "tests/schedule/test_loop.h"
#include "tests/schedule/thread.h"

#include "zmqloop/runtime/signals/signal_callback.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::schedule {
namespace {

// Stops the loop when the last of `total` callables runs.
class StopAtLast {
 public:
  StopAtLast(LoopCore& core, int total) : core_(core), left_(total) {}
  void one_ran() {
    if (--left_ == 0) core_.request_stop();
  }

 private:
  LoopCore& core_;
  int left_;
};

SCENARIO(post_against_sleep, "W3 W4 M3 Rel_A1 Rel_A2 Rel_A3",
         "a loop that falls asleep while others post runs all that was accepted") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 4);
  const auto post_two = [&] {
    for (int i = 0; i < 2; ++i) {
      loop.post_accepted([&stop] { stop.one_ran(); });
      yield();
    }
  };
  const Thread a("A", post_two);
  const Thread b("B", post_two);
  loop.run();
}

SCENARIO(two_doorbells, "W3 W4 Rel_A3 Rel_A7",
         "posts and signal posts, which ring different doorbells, both end the loop's sleep") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 4);
  const auto one_ran = [&stop] { stop.one_ran(); };
  const auto from_signal = [&] {
    require(loop.core().post_from_signal(one_ran), "a signal post was refused");
  };
  const Thread a("A", [&] {
    loop.post_accepted(one_ran);
    yield();
    from_signal();
  });
  const Thread b("B", [&] {
    from_signal();
    yield();
    loop.post_accepted(one_ran);
  });
  loop.run();
}

SCENARIO(signals_on_loop_thread, "W3 Rel_E4 Rel_E7",
         "a handler that interrupts the loop's own thread, asleep or awake, is answered") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 3);
  const auto one_ran = [&stop] { stop.one_ran(); };
  Thread runs("loop", [&] { loop.run(); });
  for (int i = 0; i < 2; ++i) {
    require(runs.signal([&] {
      require(loop.core().post_from_signal(one_ran), "a signal post was refused");
    }),
            "the loop ended early");
  }
  const Thread a("A", [&] { loop.post_accepted(one_ran); });
}

SCENARIO(call_against_sleep, "W3 W5 Rel_K12",
         "who waits for room is called, once, whether it asks before, while or after the loop sleeps") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 4);
  std::array<int, 2> calls{};
  const auto ask = [&](std::size_t asker) {
    const auto call = [&, asker] {
      ++calls[asker];
      stop.one_ran();
    };
    require(loop.core().call_when_below({1, &typeid(call), call}), "an asker was refused");
    yield();
    loop.post_accepted([&stop] { stop.one_ran(); });
  };
  const Thread a("A", [&] { ask(0); });
  const Thread b("B", [&] { ask(1); });
  loop.run();
  require(calls == std::array<int, 2>{1, 1}, "an asker was not called, or twice");
}

SCENARIO(sleep_past_a_straggler, "M3 W3 W5 Rel_A5 Rel_K12",
         "a loop sleeps past a post that has stopped half-way, runs all others meanwhile, and calls "
         "who waits for it to be taken") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 4);
  Fate late;
  Thread a("A", [&] {
    loop.post_accepted([&stop] { stop.one_ran(); });  // A has a lane from here on
    const MayStop may_stop(6);
    loop.post_accepted(Parcel(late));
  });
  const Thread b("B", [&] {
    for (int i = 0; i < 3; ++i) {
      loop.post_accepted([&stop] { stop.one_ran(); });
      yield();
    }
  });
  loop.run();
  int calls = 0;
  const auto call = [&] {
    ++calls;
    loop.core().request_stop();
  };
  require(loop.core().call_when_below({1, &typeid(call), call}), "an asker was refused");
  const Thread c("C", [&a] { a.resume(); });
  loop.run();
  require(calls == 1, "an asker was not called, or twice");
  a.join();
  loop.post_accepted([&loop] { loop.core().request_stop(); });
  loop.run();
  late.require_run_once();
}

SCENARIO(stop_against_sleep, "W3 Rel_B5",
         "a stop ends the run whether it comes before, while the loop falls asleep, or later") {
  TestLoop loop;
  std::array<Fate, 2> fates;
  Thread a("A", [&] {
    loop.post_accepted(Parcel(fates[0]));
    loop.core().request_stop();
  });
  Thread b("B", [&] { loop.post_accepted(Parcel(fates[1])); });
  loop.run();
  a.join();
  b.join();
  const CloseReport report = loop.core().close(false);
  require(fates[0].runs + fates[1].runs + static_cast<int>(report.callbacks_abandoned) == 2,
          "a post was neither run nor abandoned");
  for (const Fate& fate : fates) require(fate.ends == 1, "a callable was not destroyed once");
}

SCENARIO(stop_from_signal, "W3 Rel_B5", "a handler on the loop's own thread may stop the loop") {
  TestLoop loop;
  Thread runs("loop", [&] { loop.run(); });
  require(runs.signal([&] { loop.core().request_stop(); }), "the loop ended unasked");
  const Thread a("A", [&] { loop.post_accepted([] {}); });
}

SCENARIO(stop_again, "W3 Rel_B5",
         "a stop that comes after a run has ended ends the next one, and an earlier one does not") {
  TestLoop loop;
  Atom<int> runs_ended{0};
  Atom<bool> asked_again{false};
  const Thread a("A", [&] {
    loop.core().request_stop();
    while (runs_ended.load(std::memory_order_acquire) == 0) yield();
    asked_again.store(true, std::memory_order_relaxed);
    loop.core().request_stop();
  });
  loop.run();
  runs_ended.store(1, std::memory_order_release);
  loop.run();
  require(asked_again.load(std::memory_order_relaxed), "one stop ended two runs");
}

SCENARIO(last_callback_ends_loop, "M4 Rel_B3 Rel_B4",
         "a loop that its last callback ends may be destroyed while its poster still rings") {
  auto loop = std::make_unique<TestLoop>();
  TestLoop& reference = *loop;
  StopAtLast stop(reference.core(), 2);
  const auto post_last = [&] { reference.post_accepted([&stop] { stop.one_ran(); }); };
  const Thread a("A", post_last);
  const Thread b("B", post_last);
  loop->run();
  loop->core().close(false);
  loop.reset();
}

SCENARIO(last_signal_ends_loop, "M4 Rel_B3",
         "so it is when it was a signal handler that posted, or stopped the loop") {
  auto loop = std::make_unique<TestLoop>();
  LoopCore& core = loop->core();
  const bool stops = choose(2) == 0;
  Thread a("A", [] { yield(); });
  require(a.signal([&core, stops] {
    if (stops) {
      core.request_stop();
    } else {
      static_cast<void>(core.post_from_signal([&core] { core.request_stop(); }));
    }
  }),
          "A ended early");
  loop->run();
  loop->core().close(false);
  loop.reset();
}

SCENARIO(self_posts, "M1 M3 Rel_K1",
         "what a callback posts runs in the next iteration, and others get their turn between") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 4);
  struct Again {
    TestLoop& loop;
    StopAtLast& stop;
    int left;
    std::uint64_t iteration = 0;
    void operator()() {
      const std::uint64_t now = loop.core().stats().iterations;
      require(now != iteration, "what a callback posted ran in the same iteration");
      if (--left != 0) loop.post_accepted(Again{loop, stop, left, now});
      stop.one_ran();
    }
  };
  const Thread a("A", [&] { loop.post_accepted([&stop] { stop.one_ran(); }); });
  loop.post_accepted(Again{loop, stop, 3});
  loop.run();
}

SCENARIO(two_loops, "W3 M3 Rel_A10",
         "two loops that post to each other and have nothing else to do do not both fall asleep") {
  std::array<TestLoop, 2> loops{TestLoop(2), TestLoop(2)};
  struct Hop {
    std::array<TestLoop, 2>& loops;
    int left;
    void operator()() const {
      if (left == 0) {
        for (TestLoop& loop : loops) loop.core().request_stop();
        return;
      }
      loops[static_cast<std::size_t>(left % 2)].post_accepted(Hop{loops, left - 1});
    }
  };
  const Thread other("other", [&] { loops[1].run(); });
  loops[0].post_accepted(Hop{loops, 3});
  loops[0].run();
}

SCENARIO(counts, "M2", "counts read by any thread at any time never tell of more than was posted") {
  TestLoop loop;
  StopAtLast stop(loop.core(), 2);
  const Thread a("A", [&] {
    for (int i = 0; i < 2; ++i) loop.post_accepted([&stop] { stop.one_ran(); });
  });
  const Thread b("B", [&] {
    std::uint64_t run_before = 0;
    for (int i = 0; i < 3; ++i) {
      const LoopStats stats = loop.core().stats();
      require(stats.pending <= 2 && stats.callbacks_run <= 2, "more than was posted");
      require(stats.callbacks_run >= run_before, "a count went back");
      run_before = stats.callbacks_run;
    }
  });
  loop.run();
  loop.core().close(false);
}

// Makes the same callback as prepare_signal_callback().
std::shared_ptr<PreparedCallback> prepare(TestLoop& loop, PreparedCallback::Calls calls,
                                          PreparedCallback::Function function) {
  const auto prepared =
      std::make_shared<PreparedCallback>(loop.shared_core(), calls, std::move(function));
  prepared->attach(RaisedCallback<int>{prepared.get()}, "prepare", "loop");
  return prepared;
}

SCENARIO(raises, "M2 Rel_E5",
         "raises of a prepared callback come together or one by one, and none is lost") {
  TestLoop loop(1);
  std::uint64_t answered = 0;
  const auto calls =
      choose(2) == 0 ? PreparedCallback::Calls::kOnceForAll : PreparedCallback::Calls::kOnceForEach;
  const auto prepared = prepare(loop, calls, [&](std::uint64_t raises) {
    answered += raises;
    if (answered == 4) loop.core().request_stop();
  });
  {
    const Thread a("A", [&] {
      for (int i = 0; i < 2; ++i) require(prepared->raise(), "a raise was refused");
    });
    Thread b("B", [&] { require(prepared->raise(), "a raise was refused"); });
    if (!b.signal([&] { require(prepared->raise(), "a raise was refused"); })) {
      require(prepared->raise(), "a raise was refused");
    }
    loop.run();
  }
  require(answered == 4, "raises were answered twice");
  PreparedCallback::release(prepared);
  loop.core().close(false);
}

SCENARIO(release_against_raises, "M2 Rel_E8",
         "a prepared callback that ends while its call waits gives its slot back, once") {
  TestLoop loop(1);
  std::uint64_t answered = 0;
  auto prepared = prepare(loop, PreparedCallback::Calls::kOnceForAll,
                          [&](std::uint64_t raises) { answered += raises; });
  Thread runs("loop", [&] { loop.run(); });
  {
    const Thread a("A", [&] { require(prepared->raise(), "a raise was refused"); });
    const Thread b("B", [&] { require(prepared->raise(), "a raise was refused"); });
  }
  PreparedCallback::release(std::move(prepared));
  loop.core().request_stop();
  runs.join();
  require(answered <= 2, "more was answered than raised");
  loop.core().close(false);
}

SCENARIO(raise_against_close, "M2 Rel_B6 Rel_E8",
         "a raise that is refused because the loop is closed has not been answered") {
  TestLoop loop(1);
  std::uint64_t answered = 0;
  std::array<std::uint64_t, 2> accepted{};
  const auto prepared = prepare(loop, PreparedCallback::Calls::kOnceForAll,
                                [&](std::uint64_t raises) { answered += raises; });
  const auto raise_twice = [&](std::size_t who) {
    for (int i = 0; i < 2; ++i) accepted[who] += prepared->raise() ? 1 : 0;
  };
  Thread a("A", [&] { raise_twice(0); });
  Thread b("B", [&] { raise_twice(1); });
  const Thread c("C", [&] { loop.core().request_stop(); });
  loop.run();
  loop.core().close(false);
  a.join();
  b.join();
  require(answered <= accepted[0] + accepted[1], "a raise was answered and told that it was not");
  PreparedCallback::release(prepared);
}

SCENARIO(
    release_against_close, "M2 Rel_E8",
    "a prepared callback that ends while its loop is closed leaves its slot to who closes it") {
  TestLoop loop(1);
  auto prepared = prepare(loop, PreparedCallback::Calls::kOnceForAll, [](std::uint64_t) {});
  require(prepared->raise(), "a raise was refused");
  Thread a("A", [&] {
    PreparedCallback::release(std::move(prepared));
    const auto next = [] {};
    Slot* const slot = loop.core().reserve_signal_slot(next);
    if (slot != nullptr) loop.core().unreserve_signal_slot(*slot);
  });
  loop.core().close(false);
  a.join();
}

}  // namespace
}  // namespace zmqloop::schedule
