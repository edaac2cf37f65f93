// Callables that go round from loop to loop: each posts its successor to the next loop.
//
// One loop: a callback that re-posts itself. Two loops: ping-pong, or as many closures in flight
// each way as there are tokens. Each token carries a pointer and 24 bytes.
//
// Threads, errors: as in workload.h.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CIRCUIT_H_
#define ZMQLOOP_BENCHMARKS_CIRCUIT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmarks/workload.h"

#include "zmqloop/runtime/loop_pool.h"
#include "zmqloop/threading/counter.h"

namespace zmqloop::bench {

class Circuit : public Workload {
 public:
  struct Shape {
    std::size_t tokens;          // in all; put on the loops in turn
    std::uint64_t sample_every;  // of a token's hops, the one that is timed
  };

  // Goes round `options.loops` loops.
  Circuit(const WorkloadOptions& options, Shape shape);
  ~Circuit() override { request_stop(); }

  std::uint64_t posts_run() const noexcept override;
  Tally finish() override;

 private:
  // A stop on the way round: one loop, and what that loop's thread alone writes.
  struct alignas(128) Station {
    Circuit* circuit = nullptr;
    IOLoop* loop = nullptr;
    Station* next = nullptr;
    Counter run;
    std::uint64_t accepted = 0;  // its posts to the next
    std::uint64_t refused = 0;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
  };
  struct Token {
    Station* station;
    std::uint64_t hop;
    std::int64_t sent_at;
    std::uint64_t check;
    void operator()() const { station->circuit->pass(*station, *this); }
  };
  static_assert(sizeof(Token) == sizeof(void*) + 24);

  void pass(Station& here, const Token& token);
  // Takes a token out; with the last one the loops stop.
  void retire(const Token& token) noexcept;

  const std::uint64_t sample_every_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::uint64_t seeded_ = 0;

  // Shared; written when a token ends.
  alignas(128) std::atomic<std::size_t> tokens_left_;
  SharedCounter hops_of_retired_;

  LoopPool pool_;  // last: its callbacks use the other members
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CIRCUIT_H_
