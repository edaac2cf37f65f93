// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/checksum_job.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <span>
#include <sys/resource.h>
#include <system_error>
#include <utility>

namespace checksum {
namespace {

constexpr std::size_t kEntriesPerWalk = 256;
constexpr std::size_t kBufferSize = std::size_t{256} << 10;

// Enough files that a loop does not run out of work while its results are on their way.
constexpr std::size_t kMostFilesPerWorker = 64;

std::size_t descriptors_in_use() {
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

// Each file handed out may be open: together they take at most half of the descriptors left.
std::size_t most_files_per_worker(std::size_t workers) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const rlim_t used = descriptors_in_use();
  const rlim_t left = limit.rlim_cur > used ? limit.rlim_cur - used : 0;
  return std::clamp<std::size_t>(left / 2 / workers, 1, kMostFilesPerWorker);
}

}  // namespace

ChecksumJob::ChecksumJob(zmqloop::IOLoop& coordinator, std::optional<std::size_t> loops,
                         std::vector<std::string> paths, ErrorFunction on_error)
    : coordinator_(coordinator),
      on_error_(std::move(on_error)),
      walker_(std::move(paths)),
      pool_({.loops = loops, .name = "hash", .loop = {.block_signals = true}}) {
  most_files_per_worker_ = most_files_per_worker(pool_.size());
  workers_.reserve(pool_.size());
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    workers_.push_back({.loop = &pool_.loop(i),
                        .buffer = std::make_unique_for_overwrite<std::byte[]>(kBufferSize)});
  }
}

void ChecksumJob::start() {
  coordinator_.add_callback([this] { walk(); });
}

// ---- coordinator ----

void ChecksumJob::walk() {
  if (status_.interrupted) return;
  FileWalker::Found found = walker_.walk(kEntriesPerWalk);
  status_.files_found += found.files.size();
  status_.paths_failed += found.errors.size();
  status_.all_found = walker_.finished();
  for (const FileError& error : found.errors) on_error_(error);
  std::ranges::move(found.files, std::back_inserter(waiting_));
  hand_out();
  if (!status_.all_found) {
    coordinator_.add_callback([this] { walk(); });
  } else {
    stop_if_done();
  }
}

void ChecksumJob::hand_out() {
  while (!waiting_.empty() && !status_.interrupted) {
    Worker& idlest = *std::ranges::min_element(workers_, {}, &Worker::files);
    if (idlest.files >= most_files_per_worker_) return;
    auto hasher = std::make_unique<FileHasher>(std::move(waiting_.front()));
    waiting_.pop_front();
    ++idlest.files;
    idlest.loop->add_callback(
        [this, &idlest, hasher = std::move(hasher)]() mutable { hash(idlest, std::move(hasher)); });
  }
}

void ChecksumJob::collect(Worker& worker, FileHasher& hasher, std::uint64_t bytes) {
  --worker.files;
  ++status_.files_done;
  status_.bytes_done += bytes;
  if (hasher.error()) {
    ++status_.files_failed;
    on_error_({hasher.take_path(), hasher.error()});
  } else {
    digests_.push_back({hasher.take_path(), hasher.digest()});
  }
  hand_out();
  stop_if_done();
}

void ChecksumJob::stop_if_done() {
  if (status_.all_found && status_.files_done == status_.files_found) coordinator_.stop();
}

void ChecksumJob::interrupt() {
  status_.interrupted = true;
  stop_.request_stop();
  coordinator_.stop();
}

// ---- the worker's loop ----

void ChecksumJob::hash(Worker& worker, std::unique_ptr<FileHasher> hasher) {
  const std::stop_token stop = stop_.get_token();
  if (stop.stop_requested()) return;
  const std::uint64_t before = hasher->bytes();
  const FileHasher::State state = hasher->step(std::span(worker.buffer.get(), kBufferSize), stop);
  const std::uint64_t bytes = hasher->bytes() - before;
  if (state == FileHasher::State::kUnfinished) {
    coordinator_.add_callback([this, bytes] { status_.bytes_done += bytes; });
    worker.loop->add_callback(
        [this, &worker, hasher = std::move(hasher)]() mutable { hash(worker, std::move(hasher)); });
  } else {
    coordinator_.add_callback(
        [this, &worker, bytes, hasher = std::move(hasher)] { collect(worker, *hasher, bytes); });
  }
}

}  // namespace checksum
