// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The awaitable that loop.schedule() returns, for co_await: see task.h.
//
// Threads: a value.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_SCHEDULE_H_
#define ZMQLOOP_RUNTIME_TASKS_SCHEDULE_H_

#include <memory>

namespace zmqloop {

class LoopCore;

struct [[nodiscard]] Schedule {
  std::shared_ptr<LoopCore> core;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_SCHEDULE_H_
