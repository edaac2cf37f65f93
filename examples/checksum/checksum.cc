// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// checksum: prints the SHA-256 of files and trees, hashed by one event loop per core.
//
// Start reading here; then read checksum_job.h, the part that uses the library. IOLoop::instance()
// coordinates, a LoopPool does the work, and add_callback() carries both the work and its results.

#include <exception>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>

#include "examples/checksum/checksum_job.h"
#include "examples/checksum/checksum_table.h"
#include "examples/checksum/command_line.h"
#include "examples/checksum/file_error.h"
#include "examples/checksum/interrupt_signals.h"
#include "examples/checksum/progress_bar.h"
#include "examples/checksum/sha256.h"
#include "examples/checksum/standard_streams.h"

#include "zmqloop/zmqloop.h"

namespace checksum {
namespace {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 130;

void complain(const std::string& message) {
  write_all(STDERR_FILENO, "checksum: " + message + "\n");
}

int print(std::string_view text, int status) {
  const std::error_code error = write_all(STDOUT_FILENO, text);
  if (!error) return status;
  complain("write error: " + error.message());
  return kFailure;
}

int hash_files(const CommandLine& line) {
  Sha256();  // if OpenSSL has no SHA-256, throws here, not in the loops
  zmqloop::IOLoop& coordinator = zmqloop::IOLoop::instance();
  ProgressBar progress(coordinator);
  ChecksumJob job(coordinator, line.loops, line.paths, [&progress](const FileError& error) {
    progress.print_line("checksum: " + describe(error));
  });
  {
    const InterruptSignals signals(coordinator, job);
    job.start();
    progress.start(job);
    coordinator.start();  // returns when the job stops it
    progress.finish();
  }
  const ChecksumJob::Status& status = job.status();
  if (status.interrupted || InterruptSignals::any_came()) {
    complain("interrupted: " + std::to_string(status.files_done) + " of " +
             std::to_string(status.files_found) + " files done");
    return kInterrupted;
  }
  const bool all_read = status.files_failed == 0 && status.paths_failed == 0;
  return print(format_table(job.take_digests()), all_read ? kSuccess : kFailure);
}

int run(std::span<const char* const> arguments) {
  const CommandLine line = parse_command_line(arguments);
  if (!line.problem.empty()) {
    complain(line.problem);
    return kWrongUsage;
  }
  if (line.help) return print(help_text(), kSuccess);
  return hash_files(line);
}

}  // namespace
}  // namespace checksum

int main(int argc, char** argv) {
  checksum::prepare_standard_streams();
  try {
    return checksum::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  } catch (const std::exception& error) {
    checksum::complain(error.what());
    return checksum::kFailure;
  }
}
