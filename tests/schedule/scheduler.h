// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs simulated threads one at a time, in an order decided by a seed, and may switch between them
// at every operation on an Atom, Mutex or Doorbell.
//
// Scenario, strategy and seed determine everything: the same three replay a schedule. Besides the
// scenario's own promises, the scheduler checks:
//  - some thread can run until all have ended;
//  - the schedule ends within kMostSteps;
//  - no data races, uses after free or leaks (if the compiler reports accesses, see
//    instrumentation.cc);
//  - correct construction and destruction of atomics.
//
// Threads: simulated threads are fibers of one thread. A signal handler runs on the fiber of the
// thread it interrupts, between two steps.
// Owns: fibers, and the records of the running schedule.
// Errors: fail().

#ifndef ZMQLOOP_TESTS_SCHEDULE_SCHEDULER_H_
#define ZMQLOOP_TESTS_SCHEDULE_SCHEDULER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/schedule/atom_history.h"
#include "tests/schedule/fiber.h"
#include "tests/schedule/race_detector.h"
#include "tests/schedule/strategy.h"
#include "tests/schedule/trace.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

// A place in the library's code with an atomic operation.
struct AtomSite {
  Where where;
  std::memory_order order;
  bool is_update;  // reads and writes in one step

  bool is(const Where& other) const {
    return where.line() == other.line() && std::string_view(where.file_name()) == other.file_name();
  }
};

// How to break the operation at one place.
enum class Fault : unsigned char {
  kRelaxed,  // orders nothing
  kTorn,     // reads in one step and writes in another
};

class Scheduler {
 public:
  Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  // Returns the scheduler if a simulated thread calls; null elsewhere and in the scheduler's own
  // code.
  static Scheduler* here() { return is_inside ? nullptr : running; }

  // Runs one schedule with `body` as its first thread. Returns the number of steps.
  std::size_t run(const std::function<void()>& body, StrategyKind strategy, std::uint64_t seed);

  // Prints the state of each thread and the latest steps.
  void report(std::FILE* to);
  // Prints each step as it is made.
  void trace_to(std::FILE* file) { trace_.echo_to(file); }

  // Breaks the operation at `site` from now on.
  void break_at(const AtomSite& site, Fault fault) {
    broken_ = site;
    fault_ = fault;
  }
  // Returns the places of operations met since keep_sites().
  const std::vector<AtomSite>& sites() const { return sites_; }
  void keep_sites() { keeps_sites_ = true; }

  // ---- simulated threads ----

  std::size_t start_thread(const std::string& name, std::function<void()> body);
  void join(std::size_t thread);
  // Lets other threads go first.
  void yield();
  // Makes `handler` interrupt the thread at any of its next steps, at the latest at its end.
  // Returns false if the thread has ended.
  bool signal(std::size_t thread, std::function<void()> handler);
  // Lets the calling thread stop at one of its next `within` steps, or not at all; 0 ends this.
  void stop_within(std::uint32_t within);
  // Lets a stopped thread continue, and never stop again.
  void resume(std::size_t thread);

  // Waits for wake(object). May return spuriously: the caller must check its condition.
  void block_on(const void* object);
  void wake(const void* object);
  // Lets other threads run. The operation must follow, and then done().
  void step();
  void done(Step step);
  // Notes the place of an operation, if keep_sites() was called.
  void note_site(const AtomSite& site);
  bool is_broken(const Where& where, Fault fault) const {
    return broken_ && fault_ == fault && broken_->is(where);
  }
  // Resets a static atomic, which outlives the schedule, to its current value when the schedule
  // ends.
  void keep_if_static(void* memory, std::size_t bytes);

  Strategy& strategy() { return strategy_; }
  AtomHistories& atoms() { return atoms_; }
  RaceDetector& races() { return races_; }
  std::size_t current() const { return current_; }
  std::size_t steps() const { return steps_; }
  VectorClock& clock() { return threads_[current_]->clock; }

  // Objects of the calling thread, found by key. They are destroyed when the thread ends, those of
  // trivial types last.
  void* find_local(const void* key) const;
  void add_local(const void* key, void* object, void (*destroy)(void*), bool trivial);

 private:
  friend class Inside;

  struct Local {
    const void* key;
    void* object;
    void (*destroy)(void*);
    bool trivial;
  };
  struct Static {
    void* memory;
    std::size_t bytes;
    Bits value;
  };
  struct Thread {
    Fiber fiber{kStackBytes};
    std::string name;
    std::function<void()> body;
    VectorClock clock;
    const void* waits_for = nullptr;
    bool ended = false;
    bool stopped = false;
    bool may_stop = true;
    std::uint32_t stops_in = 0;
    std::deque<std::function<void()>> signals;
    std::vector<Local> locals;
  };
  static constexpr std::size_t kStackBytes = 256 * 1024;
  static constexpr std::size_t kMostSteps = 20'000;

  static void thread_main();
  void end_thread();
  void destroy_locals(bool trivial);
  void take_signal();
  ThreadSet candidates() const;
  std::size_t next_thread();
  void switch_to_next();

  static Scheduler* running;
  static bool is_inside;  // the scheduler's own code runs

  Fiber own_fiber_;
  std::array<std::unique_ptr<Thread>, kMostThreads> threads_;
  std::size_t started_ = 0;
  std::size_t current_ = 0;
  std::size_t steps_ = 0;
  Strategy strategy_;
  AtomHistories atoms_{strategy_};
  RaceDetector races_;
  Trace trace_;
  std::vector<Static> statics_;
  std::optional<AtomSite> broken_;
  Fault fault_ = Fault::kRelaxed;
  std::vector<AtomSite> sites_;
  bool keeps_sites_ = false;
};

// Marks the scheduler's own code: accesses are not checked, operations are not steps.
class Inside {
 public:
  Inside() : before_(Scheduler::is_inside) { Scheduler::is_inside = true; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() { Scheduler::is_inside = before_; }

 private:
  const bool before_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_SCHEDULER_H_
