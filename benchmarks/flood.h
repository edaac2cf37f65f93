// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Threads that post to loops as fast as they can, each within a limit of outstanding posts.
//
// Each post carries a pointer and 24 bytes. The loop checks that a producer's posts arrive complete
// and in order. One in 127 carries the time it was posted.
//
// Threads, errors: as in workload.h. `Loop`: contender.h lists its requirements.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_FLOOD_H_
#define ZMQLOOP_BENCHMARKS_FLOOD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmarks/loop_group.h"
#include "benchmarks/post_window.h"
#include "benchmarks/team.h"
#include "benchmarks/workload.h"

#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop::bench {

// Large enough that no producer hits the limit while its loop runs; small enough that no machine
// runs out of memory while the loop is not running: 64 MiB of slots, shared by all producers.
inline constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 20;

struct FloodShape {
  std::uint64_t outstanding = kUnlimited;  // accepted and not yet run, of all producers together
  bool to_all_loops = false;               // each producer posts to all loops in turn
};

template <class Loop>
class Flood : public Workload {
 public:
  // Producer i posts to loop i modulo `options.loops`, or to all loops.
  Flood(const WorkloadOptions& options, FloodShape shape);
  ~Flood() override { request_stop(); }

  std::uint64_t posts_run() const noexcept override {
    std::uint64_t run = 0;
    for (const std::unique_ptr<Inbox>& inbox : inboxes_) run += inbox->run.get();
    return run;
  }
  Tally finish() override;

 private:
  // Prime, so that no rhythm of batches or windows coincides with it.
  static constexpr unsigned kSampleEvery = 127;

  // The posts of one producer at one loop, on cache lines of their own.
  struct alignas(128) Inbox {
    Inbox(std::uint64_t outstanding, bool crowded) : window(outstanding, crowded) {}
    // The loop's only.
    Counter run;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
    // Used by both sides.
    alignas(128) PostWindow window;
    // The producer's only; read by others once it has ended.
    alignas(128) std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
  };
  struct Arrival {
    Inbox* inbox;
    std::uint64_t sequence;
    std::int64_t sent_at;
    std::uint64_t check;
    void operator()() const {
      if (sequence != inbox->run.get() + 1 || check != ~sequence) ++inbox->corrupt;
      if (sent_at != kUntimed) inbox->latency.record(now() - sent_at);
      inbox->run.add();
      inbox->window.ran(sequence);
    }
  };
  static_assert(sizeof(Arrival) == sizeof(void*) + 24);

  struct Destination {
    Loop* loop;
    Inbox* inbox;
  };

  void produce(std::size_t producer);

  const std::size_t fan_out_;                    // the number of loops that a producer posts to
  std::vector<std::unique_ptr<Inbox>> inboxes_;  // grouped by producer
  LoopGroup<Loop> loops_;  // after inboxes_: callbacks may use those until this is destroyed
  Team producers_;         // last: its parts use the other members
};

template <class Loop>
Flood<Loop>::Flood(const WorkloadOptions& options, FloodShape shape)
    : fan_out_(shape.to_all_loops ? options.loops : 1),
      inboxes_([&] {
        std::vector<std::unique_ptr<Inbox>> inboxes(options.producers * fan_out_);
        for (std::unique_ptr<Inbox>& inbox : inboxes) {
          inbox = std::make_unique<Inbox>(shape.outstanding / inboxes.size(), options.is_crowded());
        }
        return inboxes;
      }()),
      loops_(options),
      producers_(options.producers, options.after_loops(),
                 [this](std::size_t producer) { produce(producer); }) {}

template <class Loop>
void Flood<Loop>::produce(std::size_t producer) {
  std::vector<Destination> destinations;
  for (std::size_t i = producer * fan_out_; i < (producer + 1) * fan_out_; ++i) {
    destinations.push_back({&loops_[i % loops_.size()], inboxes_[i].get()});
  }
  unsigned until_sample = kSampleEvery;
  for (std::uint64_t sequence = 1; !stopped(); ++sequence) {
    for (const auto& [loop, inbox] : destinations) {
      inbox->window.wait_for(sequence);
      std::int64_t sent_at = kUntimed;
      if (--until_sample == 0) {
        until_sample = kSampleEvery;
        if (sampling()) sent_at = now();
      }
      if (!loop->post(Arrival{inbox, sequence, sent_at, ~sequence})) {
        ++inbox->refused;
        return;
      }
      inbox->accepted = sequence;
    }
  }
}

template <class Loop>
Tally Flood<Loop>::finish() {
  request_stop();
  producers_.join();
  // finish() posts last, so it runs last: all accepted posts have run by then.
  loops_.finish();
  loops_.join();
  Tally tally;
  std::vector<std::uint64_t> posts_of(inboxes_.size() / fan_out_);
  for (std::size_t i = 0; i < inboxes_.size(); ++i) {
    const Inbox* const inbox = inboxes_[i].get();
    posts_of[i / fan_out_] += inbox->accepted;
    tally.accepted += inbox->accepted;
    tally.refused += inbox->refused;
    tally.run += inbox->run.get();
    tally.corrupt += inbox->corrupt;
    tally.latency.merge(inbox->latency);
  }
  tally.fairness = fairness_among(posts_of);
  return tally;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_FLOOD_H_
