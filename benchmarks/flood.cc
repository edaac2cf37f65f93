#include "benchmarks/flood.h"

#include <algorithm>

#include "benchmarks/backoff.h"

namespace zmqloop::bench {
namespace {

// Prime, so that no rhythm of batches or windows coincides with it.
constexpr unsigned kSampleEvery = 127;

}  // namespace

void Flood::Arrival::operator()() const noexcept {
  if (sequence != inbox->run.get() + 1 || check != ~sequence) ++inbox->corrupt;
  if (sent_at != kUntimed) inbox->latency.record(now() - sent_at);
  inbox->run.add();
}

Flood::Flood(const WorkloadOptions& options, std::uint64_t outstanding)
    : window_(std::max<std::uint64_t>(outstanding / options.producers, 1)),
      inboxes_([&options] {
        std::vector<std::unique_ptr<Inbox>> inboxes(options.producers);
        for (std::unique_ptr<Inbox>& inbox : inboxes) inbox = std::make_unique<Inbox>();
        return inboxes;
      }()),
      pool_({.loops = options.loops,
             .pin = options.pin,
             .name = "loop",
             .loop = {.idle_spin = options.idle_spin}}),
      producers_({.size = options.producers, .pin = options.pin, .first_cpu = options.loops},
                 [this](std::size_t producer) { produce(producer); }) {}

void Flood::produce(std::size_t producer) {
  IOLoop& loop = pool_.loop(producer % pool_.size());
  Inbox& inbox = *inboxes_[producer];
  std::uint64_t sequence = 0;
  std::uint64_t run_seen = 0;
  unsigned until_sample = kSampleEvery;
  Backoff backoff;
  while (!stopped()) {
    if (sequence - run_seen >= window_) {
      run_seen = inbox.run.get();
      if (sequence - run_seen >= window_) {
        backoff.wait();
        continue;
      }
      backoff.reset();
    }
    std::int64_t sent_at = kUntimed;
    if (--until_sample == 0) {
      until_sample = kSampleEvery;
      if (sampling()) sent_at = now();
    }
    ++sequence;
    if (!loop.add_callback(Arrival{&inbox, sequence, sent_at, ~sequence})) {
      ++inbox.refused;
      --sequence;
      break;
    }
  }
  inbox.accepted = sequence;
}

std::uint64_t Flood::posts_run() const noexcept {
  std::uint64_t run = 0;
  for (const std::unique_ptr<Inbox>& inbox : inboxes_) run += inbox->run.get();
  return run;
}

Tally Flood::finish() {
  request_stop();
  producers_.join();
  // Posted last, runs last: whatever was accepted has run by then.
  pool_.broadcast([](IOLoop& loop) { loop.stop(); });
  pool_.join();
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
