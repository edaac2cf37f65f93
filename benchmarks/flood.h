// Threads that post to loops as fast as they can, each within a limit of posts outstanding.
//
// Each post carries a pointer and 24 bytes. The loop checks that a producer's posts come complete
// and in order; one in 127 carries the time it was posted.
//
// Threads, errors: as in workload.h.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_FLOOD_H_
#define ZMQLOOP_BENCHMARKS_FLOOD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmarks/team.h"
#include "benchmarks/workload.h"

#include "zmqloop/runtime/loop_pool.h"
#include "zmqloop/threading/counter.h"

namespace zmqloop::bench {

class Flood : public Workload {
 public:
  // Enough that no producer waits for it while its loop runs, and no machine runs out of memory
  // while it does not: 64 MiB of slots, shared by all producers.
  static constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 20;

  // Producer i posts to loop i modulo `options.loops`. `outstanding`: the most posts of all
  // producers together that were accepted and have not run.
  explicit Flood(const WorkloadOptions& options, std::uint64_t outstanding = kUnlimited);
  ~Flood() override { request_stop(); }

  std::uint64_t posts_run() const noexcept override;
  Tally finish() override;

 private:
  // Of one producer, on cache lines of its own.
  struct alignas(128) Inbox {
    // The loop's.
    Counter run;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
    // The producer's, read once it has ended.
    alignas(128) std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
  };
  struct Arrival {
    Inbox* inbox;
    std::uint64_t sequence;
    std::int64_t sent_at;
    std::uint64_t check;
    void operator()() const noexcept;
  };
  static_assert(sizeof(Arrival) == sizeof(void*) + 24);

  void produce(std::size_t producer);

  const std::uint64_t window_;  // outstanding posts of one producer
  std::vector<std::unique_ptr<Inbox>> inboxes_;
  LoopPool pool_;   // after what its callbacks use: they may run until it is destroyed
  Team producers_;  // last: its parts use the other members
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_FLOOD_H_
