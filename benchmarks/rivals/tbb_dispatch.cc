// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// TBB as a contender: a task_arena with one slot per loop, and enqueue().
//
// Its workers are a pool, not separate loops: TBB promises neither the worker that runs a task nor
// the order of tasks. So it takes part only where work is given to a pool, and the order is not
// checked.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "benchmarks/contender.h"
#include "benchmarks/post_window.h"
#include "benchmarks/team.h"
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop::bench {
namespace {

class ArenaFlood : public Workload {
 public:
  ArenaFlood(const WorkloadOptions& options, FloodShape shape)
      : workers_(tbb::global_control::max_allowed_parallelism, options.loops + 1),
        arena_(static_cast<int>(options.loops), 0),
        inboxes_([&] {
          std::vector<std::unique_ptr<Inbox>> inboxes(options.producers);
          for (std::unique_ptr<Inbox>& inbox : inboxes) {
            inbox = std::make_unique<Inbox>(shape.outstanding / options.producers,
                                            options.is_crowded());
          }
          return inboxes;
        }()),
        producers_(options.producers, {}, [this](std::size_t i) { produce(*inboxes_[i]); }) {}
  ~ArenaFlood() override { finish(); }

  std::uint64_t posts_run() const noexcept override {
    std::uint64_t run = 0;
    for (const std::unique_ptr<Inbox>& inbox : inboxes_) run += inbox->run;
    return run;
  }
  Tally finish() override;

 private:
  struct alignas(128) Inbox {
    Inbox(std::uint64_t outstanding, bool crowded) : window(outstanding, crowded) {}
    std::atomic<std::uint64_t> run{0};
    SharedCounter corrupt;
    alignas(128) PostWindow window;
    alignas(128) std::uint64_t accepted = 0;
  };
  struct Arrival {
    Inbox* inbox;
    std::uint64_t sequence;
    std::int64_t sent_at;
    std::uint64_t check;
    void operator()() const {
      if (check != ~sequence) inbox->corrupt.add();
      inbox->window.ran(++inbox->run);
    }
  };

  void produce(Inbox& inbox) {
    for (std::uint64_t sequence = 1; !stopped(); ++sequence) {
      inbox.window.wait_for(sequence);
      arena_.enqueue(Arrival{&inbox, sequence, kUntimed, ~sequence});
      inbox.accepted = sequence;
    }
  }

  tbb::global_control workers_;  // one per loop, beside the calling thread
  tbb::task_arena arena_;
  std::vector<std::unique_ptr<Inbox>> inboxes_;
  Team producers_;  // last: its parts use the other members
};

Tally ArenaFlood::finish() {
  request_stop();
  producers_.join();
  Tally tally;
  std::vector<std::uint64_t> posts_of;
  for (const std::unique_ptr<Inbox>& inbox : inboxes_) {
    while (inbox->run != inbox->accepted) std::this_thread::yield();
    posts_of.push_back(inbox->accepted);
    tally.accepted += inbox->accepted;
    tally.run += inbox->run;
    tally.corrupt += inbox->corrupt.get();
  }
  tally.fairness = fairness_among(posts_of);
  return tally;
}

const Registration kRegistration(Contender{
    .name = "tbb",
    .only = "scale-posts",
    .flood = [](const WorkloadOptions& options, FloodShape shape) -> StartedWorkload {
      return std::make_unique<ArenaFlood>(options, shape);
    }});

}  // namespace
}  // namespace zmqloop::bench
