// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/progress_bar.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include "examples/checksum/standard_streams.h"

namespace checksum {
namespace {

using namespace std::chrono_literals;

constexpr auto kTimeBetweenDrawings = 100ms;
constexpr std::size_t kBarWidth = 24;

// "512 B", "1.5 MiB".
std::string format_bytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s", unit == 0 ? 0 : 1, bytes, kUnits[unit]);
  return text;
}

// Shows the files done among those found so far; the walk may still find more.
std::string format_bar(std::uint64_t done, std::uint64_t found) {
  const double share = found == 0 ? 0 : static_cast<double>(done) / static_cast<double>(found);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
  return "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "]";
}

// The number of characters that fit into a terminal line without wrapping.
std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 79;
  return size.ws_col - std::size_t{1};
}

}  // namespace

ProgressBar::ProgressBar(zmqloop::IOLoop& coordinator)
    : coordinator_(coordinator),
      is_terminal_(::isatty(STDERR_FILENO) == 1),
      started_(coordinator.time()) {}

void ProgressBar::start(const ChecksumJob& job) {
  job_ = &job;
  if (!is_terminal_) return;
  timer_ = coordinator_.call_later(kTimeBetweenDrawings, [this] { draw(); });
}

void ProgressBar::finish() {
  coordinator_.remove_timeout(timer_);
  erase();
}

void ProgressBar::print_line(std::string_view line) {
  erase();
  write_all(STDERR_FILENO, std::string(line) + "\n");
}

void ProgressBar::draw() {
  is_drawn_ = true;
  std::string line = "\r";
  line.append(text(), 0, terminal_width());
  line += "\x1b[K";
  write_all(STDERR_FILENO, line);
  timer_ = coordinator_.call_later(kTimeBetweenDrawings, [this] { draw(); });
}

void ProgressBar::erase() {
  if (is_drawn_) write_all(STDERR_FILENO, "\r\x1b[K");
  is_drawn_ = false;
}

std::string ProgressBar::text() const {
  const ChecksumJob::Status& status = job_->status();
  const std::chrono::duration<double> elapsed = coordinator_.time() - started_;
  const auto bytes = static_cast<double>(status.bytes_done);
  return format_bar(status.files_done, status.files_found) + " " +
         std::to_string(status.files_done) + " of " + std::to_string(status.files_found) +
         (status.all_found ? "" : "+") + " files, " + format_bytes(bytes) + ", " +
         format_bytes(bytes / std::max(elapsed.count(), 0.001)) + "/s";
}

}  // namespace checksum
