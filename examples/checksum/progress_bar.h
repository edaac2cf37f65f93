// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Draws one line on the terminal that shows the progress of the job. A timer of the coordinator
// redraws it ten times a second. If standard error is no terminal, nothing is drawn and no timer
// runs.
//
// Threads: the coordinator's; before and after it runs, the thread that owns this object.
// Owns: the timer, and the terminal's last line while it is drawn.
// Errors: none: if the terminal cannot be written to, it shows no progress.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_PROGRESS_BAR_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_PROGRESS_BAR_H_

#include <string>
#include <string_view>

#include "examples/checksum/checksum_job.h"

#include "zmqloop/zmqloop.h"

namespace checksum {

class ProgressBar {
 public:
  explicit ProgressBar(zmqloop::IOLoop& coordinator);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() { finish(); }

  // Shows the job's progress from now on, until finish().
  void start(const ChecksumJob& job);

  // Stops drawing and erases the bar. May be called again.
  void finish();

  // Writes a line to standard error, above the bar if there is one.
  void print_line(std::string_view line);

 private:
  void draw();
  void erase();
  std::string text() const;

  // Constant after construction.
  zmqloop::IOLoop& coordinator_;
  const bool is_terminal_;
  const zmqloop::TimePoint started_;

  // Coordinator only.
  const ChecksumJob* job_ = nullptr;
  zmqloop::TimeoutHandle timer_;
  bool is_drawn_ = false;
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_PROGRESS_BAR_H_
