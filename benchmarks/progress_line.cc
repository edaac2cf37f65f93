// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/progress_line.h"

#include <algorithm>
#include <chrono>
#include <unistd.h>

namespace zmqloop::bench {

ProgressLine::ProgressLine(std::FILE* stream)
    : stream_(stream != nullptr && isatty(fileno(stream)) == 1 ? stream : nullptr) {}

void ProgressLine::show(std::string_view activity, double fraction_done, Duration remaining) {
  constexpr Duration kBetween = std::chrono::milliseconds(100);
  if (stream_ == nullptr) return;
  const TimePoint now = Clock::now();
  if (visible_ && now - shown_at_ < kBetween) return;
  shown_at_ = now;
  visible_ = true;
  const double seconds = std::max(std::chrono::duration<double>(remaining).count(), 0.0);
  std::fprintf(stream_, "\r\033[K%3.0f %%  %-20.*s %.1f s left", 100 * std::min(fraction_done, 1.0),
               static_cast<int>(activity.size()), activity.data(), seconds);
  std::fflush(stream_);
}

void ProgressLine::clear() {
  if (!visible_) return;
  visible_ = false;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
}

}  // namespace zmqloop::bench
