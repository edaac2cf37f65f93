// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The interface that a contender of the timer, descriptor and socket benchmarks calls per event.
//
// It costs one virtual call per event, the same for every contender and every floor. So a workload
// is compiled once and does the same work under all of them.
//
// Threads: the loop's.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_EVENT_SINK_H_
#define ZMQLOOP_BENCHMARKS_EVENT_SINK_H_

#include <cstddef>

namespace zmqloop::bench {

class EventSink {
 public:
  // Called when timer `source` has fired, or descriptor or socket `source` is readable. Returns
  // whether the loop should go on; once this has returned false, the contender's run() must return.
  virtual bool on_event(std::size_t source) = 0;

 protected:
  ~EventSink() = default;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_EVENT_SINK_H_
