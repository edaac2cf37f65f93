// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One line on a terminal that says what runs, how far it is and how long it will take.
//
// Threads: one.
// Owns: nothing; the stream is the caller's.
// Errors: none; what the terminal refuses is not worth a failure.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_
#define ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_

#include <cstdio>
#include <string_view>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

class ProgressLine {
 public:
  // Writes to `stream` if that is a terminal, else nothing ever. Null: nothing.
  explicit ProgressLine(std::FILE* stream);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // Clears the line.
  ~ProgressLine() { clear(); }

  // Shows the line anew, ten times a second at most.
  void show(std::string_view activity, double fraction_done, Duration remaining);

  // Removes the line, so that something else can be printed in its place.
  void clear();

 private:
  std::FILE* const stream_;  // null unless it is a terminal
  TimePoint shown_at_ = TimePoint::min();
  bool visible_ = false;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_
