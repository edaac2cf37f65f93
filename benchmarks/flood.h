// Threads that post to loops as fast as they can, each within a limit of posts outstanding.
//
// Each post carries a pointer and 24 bytes. The loop checks that a producer's posts come complete
// and in order; one in 127 carries the time it was posted.
//
// Threads, errors: as in workload.h. `Loop`: contender.h says what is asked of it.
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

#include "zmqloop/threading/counter.h"

namespace zmqloop::bench {

// Enough that no producer waits for it while its loop runs, and no machine runs out of memory while
// it does not: 64 MiB of slots, shared by all producers.
inline constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 20;

template <class Loop>
class Flood : public Workload {
 public:
  // Producer i posts to loop i modulo `options.loops`. `outstanding`: the most posts of all
  // producers together that were accepted and have not run.
  explicit Flood(const WorkloadOptions& options, std::uint64_t outstanding = kUnlimited)
      : inboxes_([&options, outstanding] {
          std::vector<std::unique_ptr<Inbox>> inboxes(options.producers);
          for (std::unique_ptr<Inbox>& inbox : inboxes) {
            inbox = std::make_unique<Inbox>(outstanding / options.producers);
          }
          return inboxes;
        }()),
        loops_(options),
        producers_(options.producers, options.after_loops(),
                   [this](std::size_t producer) { produce(producer); }) {}
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

  // Of one producer, on cache lines of its own.
  struct alignas(128) Inbox {
    explicit Inbox(std::uint64_t outstanding) : window(outstanding) {}
    // The loop's.
    Counter run;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
    // Both sides'.
    alignas(128) PostWindow window;
    // The producer's, read once it has ended.
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

  void produce(std::size_t producer);

  std::vector<std::unique_ptr<Inbox>> inboxes_;
  LoopGroup<Loop> loops_;  // after what its callbacks use: they may run until it is destroyed
  Team producers_;         // last: its parts use the other members
};

template <class Loop>
void Flood<Loop>::produce(std::size_t producer) {
  Loop& loop = loops_[producer % loops_.size()];
  Inbox& inbox = *inboxes_[producer];
  unsigned until_sample = kSampleEvery;
  for (std::uint64_t sequence = 1; !stopped(); ++sequence) {
    inbox.window.wait_for(sequence);
    std::int64_t sent_at = kUntimed;
    if (--until_sample == 0) {
      until_sample = kSampleEvery;
      if (sampling()) sent_at = now();
    }
    if (!loop.post(Arrival{&inbox, sequence, sent_at, ~sequence})) {
      ++inbox.refused;
      return;
    }
    inbox.accepted = sequence;
  }
}

template <class Loop>
Tally Flood<Loop>::finish() {
  request_stop();
  producers_.join();
  // Posted last, runs last: whatever was accepted has run by then.
  loops_.finish();
  loops_.join();
  Tally tally;
  for (const std::unique_ptr<Inbox>& inbox : inboxes_) {
    tally.accepted += inbox->accepted;
    tally.refused += inbox->refused;
    tally.run += inbox->run.get();
    tally.corrupt += inbox->corrupt;
    tally.latency.merge(inbox->latency);
  }
  return tally;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_FLOOD_H_
