// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/simulated_poller.h"

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "tests/schedule/failure.h"

#include "zmqloop/poller/poller.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/threading/host/descriptor_preflight.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {
namespace schedule {
namespace {

constinit std::array<Doorbell*, 16> doorbells{};

int take_number(Doorbell& bell) {
  for (std::size_t i = 0; i < doorbells.size(); ++i) {
    if (doorbells[i] != nullptr) continue;
    doorbells[i] = &bell;
    return static_cast<int>(i);
  }
  fail("the scenario has too many doorbells");
}

// Level-triggered: a doorbell is ready from a ring until it is drained.
class SimulatedPoller final : public Poller {
 public:
  void add(Pollable pollable, Events events, std::uint64_t token,
           const char* /*call*/) override {
    registered_.push_back({pollable, events, token, 0});
  }
  void modify(Pollable, Events, const char*) override { fail("not simulated"); }
  bool remove(Pollable) noexcept override { return false; }
  void pause(Pollable) override { fail("not simulated"); }
  void resume(Pollable) override { fail("not simulated"); }
  bool is_intact(Pollable) noexcept override { return true; }
  void touch(Pollable, const char*) override {}
  Events ready_now(Pollable) override { return Events::kNone; }

  std::span<const Ready> wait_until(std::optional<TimePoint> deadline) override {
    if (!deadline) {
      Doorbell::wait_for_either(bell(0), bell(1));
    } else if (*deadline != kAtOnce) {
      yield();  // then the time is up, or it is a spurious wake-up
    }
    ready_.clear();
    for (std::size_t i = 0; i < registered_.size(); ++i) {
      if (bell(i).is_ringing()) ready_.push_back(registered_[i]);
    }
    return ready_;
  }
  std::size_t size() const override { return registered_.size(); }
  void close() noexcept override { registered_.clear(); }
  PollerKind kind() const override { return PollerKind::kEpoll; }

 private:
  Doorbell& bell(std::size_t i) {
    return DoorbellDescriptor::doorbell(registered_[i].pollable.fd());
  }

  std::vector<Ready> registered_;
  std::vector<Ready> ready_;
};

}  // namespace

DoorbellDescriptor::DoorbellDescriptor(Doorbell& bell) : number_(take_number(bell)) {}

DoorbellDescriptor::~DoorbellDescriptor() {
  doorbells[static_cast<std::size_t>(number_)] = nullptr;
}

Doorbell& DoorbellDescriptor::doorbell(int number) {
  return *doorbells[static_cast<std::size_t>(number)];
}

}  // namespace schedule

// ---- functions of other files that the loop calls ----

std::unique_ptr<Poller> make_poller(PollerKind) {
  return std::make_unique<schedule::SimulatedPoller>();
}

PollerKind configured_poller() noexcept { return PollerKind::kEpoll; }

std::size_t usable_cores() { return 2; }

void require_free_descriptors(int, const char*, DescriptorLimit) {}

}  // namespace zmqloop
