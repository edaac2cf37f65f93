// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Draws one line on a terminal: the current activity, its progress and the remaining time.
//
// Threads: one.
// Owns: nothing; the stream belongs to the caller.
// Errors: none; a failed write to the terminal is ignored.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_
#define ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_

#include <cstdio>
#include <string_view>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

class ProgressLine {
 public:
  // Writes to `stream` if that is a terminal. Otherwise, or if it is null, never writes anything.
  explicit ProgressLine(std::FILE* stream);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // Clears the line.
  ~ProgressLine() { clear(); }

  // Redraws the line, at most ten times a second.
  void show(std::string_view activity, double fraction_done, Duration remaining);

  // Removes the line, so that other text can be printed in its place.
  void clear();

 private:
  std::FILE* const stream_;  // null unless it is a terminal
  TimePoint shown_at_ = TimePoint::min();
  bool visible_ = false;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_PROGRESS_LINE_H_
