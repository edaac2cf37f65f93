// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/cost/measured.h"
#include "tests/cost/operation.h"
#include "tests/cost/payload.h"

#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::cost {
namespace {

constexpr int kRounds = 16;
constexpr int kFew = 64;
constexpr int kMany = 128;

// Like Payload, with a result.
struct Question {
  Payload payload;
  std::uint64_t operator()() const {
    payload();
    return payload.content[2];
  }
};

// submit(), the run, and get() of the result.
void submit(int size) {
  IOLoop loop(without_spinning());
  std::uint64_t sum = 0;
  std::uint64_t answers = 0;
  std::vector<Future<std::uint64_t>> futures(kMany);
  const auto round = [&](int count) {
    const auto n = static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < n; ++i) futures[i] = loop.submit(Question{payload(sum)});
    loop.add_callback([&loop] { loop.stop(); });
    loop.start();
    for (std::size_t i = 0; i < n; ++i) {
      answers += futures[i].get();
      futures[i] = {};
    }
  };
  for (int i = 0; i < kRounds; ++i) round(kMany);
  answers = 0;
  for (int i = 0; i < kRounds; ++i) measured([&] { round(size); });
  require(answers, static_cast<std::uint64_t>(size) * kRounds);
}

Task<std::uint64_t> ask(IOLoop& loop, std::uint64_t& sum, int times) {
  std::uint64_t answers = 0;
  for (int i = 0; i < times; ++i) answers += co_await loop.submit(Question{payload(sum)});
  co_return answers;
}

// A task that submits to its own loop and awaits the result: two iterations.
void await(int size) {
  IOLoop loop(without_spinning());
  std::uint64_t sum = 0;
  std::uint64_t answers = loop.run_sync([&] { return ask(loop, sum, kMany * kRounds); });
  measured([&] { answers = loop.run_sync([&] { return ask(loop, sum, size); }); });
  require(answers, static_cast<std::uint64_t>(size));
}

constexpr Operation kOperations[] = {
    {"submit", kFew, kMany, kRounds, submit},
    {"await", 1'000, 3'000, 1, await},
};

}  // namespace

std::span<const Operation> future_operations() { return kOperations; }

}  // namespace zmqloop::cost
