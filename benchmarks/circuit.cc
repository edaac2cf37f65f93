#include "benchmarks/circuit.h"

namespace zmqloop::bench {

Circuit::Circuit(const WorkloadOptions& options, Shape shape)
    : sample_every_(shape.sample_every),
      tokens_left_(shape.tokens),
      pool_({.loops = options.loops,
             .pin = options.pin,
             .name = "loop",
             .loop = {.idle_spin = options.idle_spin}}) {
  for (std::size_t i = 0; i < pool_.size(); ++i) stations_.push_back(std::make_unique<Station>());
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    stations_[i]->circuit = this;
    stations_[i]->loop = &pool_.loop(i);
    stations_[i]->next = stations_[(i + 1) % pool_.size()].get();
  }
  for (std::size_t i = 0; i < shape.tokens; ++i) {
    Station& first = *stations_[i % stations_.size()];
    const std::uint64_t hop = 1;
    if (first.loop->add_callback(Token{&first, hop, kUntimed, ~hop})) ++seeded_;
  }
}

void Circuit::pass(Station& here, const Token& token) {
  here.run.add();
  if (token.check != ~token.hop) ++here.corrupt;
  std::int64_t sent_at = kUntimed;
  if (token.sent_at != kUntimed) {
    sent_at = now();
    here.latency.record(sent_at - token.sent_at);
  }
  if (stopped()) return retire(token);

  const std::uint64_t hop = token.hop + 1;
  if (hop % sample_every_ != 0 || !sampling()) {
    sent_at = kUntimed;
  } else if (sent_at == kUntimed) {  // else one reading ends a hop and begins the next
    sent_at = now();
  }
  if (here.next->loop->add_callback(Token{here.next, hop, sent_at, ~hop})) {
    ++here.accepted;
  } else {
    ++here.refused;
    retire(token);
  }
}

void Circuit::retire(const Token& token) noexcept {
  hops_of_retired_.add(token.hop);
  if (--tokens_left_ != 0) return;
  for (const std::unique_ptr<Station>& station : stations_) station->loop->stop();
}

std::uint64_t Circuit::posts_run() const noexcept {
  std::uint64_t run = 0;
  for (const std::unique_ptr<Station>& station : stations_) run += station->run.get();
  return run;
}

Tally Circuit::finish() {
  request_stop();
  pool_.join();
  Tally tally;
  tally.accepted = seeded_;
  for (const std::unique_ptr<Station>& station : stations_) {
    tally.accepted += station->accepted;
    tally.refused += station->refused;
    tally.run += station->run.get();
    tally.corrupt += station->corrupt;
    tally.latency.merge(station->latency);
  }
  // Each token has counted its own hops.
  if (hops_of_retired_.get() != tally.run) ++tally.corrupt;
  return tally;
}

}  // namespace zmqloop::bench
