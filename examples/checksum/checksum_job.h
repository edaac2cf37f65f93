// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The coordinator: finds the files, lets the pool's loops hash them, and collects the digests.
//
//   coordinator ── add_callback: "hash this file" ──▶ one of the pool's loops
//   coordinator ◀── add_callback: "here it is" ────── the same loop
//
// There is no lock. A FileHasher travels in the callbacks and belongs to its current holder. All
// other state belongs to the thread of one loop, and no other thread touches it.
//
// No callback takes long. One step of the walk reads a few directory entries, one step of hashing a
// few megabytes. Then each posts itself again, behind everything that arrived meanwhile: results, a
// timer, a signal. And no loop's queue grows long: each has a bounded number of files, and gets
// another file when it returns one. Only file names wait in greater number, here.
//
// Threads: marked below. Once the job is destroyed, the coordinator must not run: callbacks posted
//          to it and not yet run refer to the job.
// Owns: the pool of loops.
// Errors: files that cannot be read are reported to the function `on_error`.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "examples/checksum/checksum_table.h"
#include "examples/checksum/file_error.h"
#include "examples/checksum/file_hasher.h"
#include "examples/checksum/file_walker.h"

#include "zmqloop/zmqloop.h"

namespace checksum {

class ChecksumJob {
 public:
  struct Status {
    std::uint64_t files_found = 0;
    std::uint64_t files_done = 0;  // hashed, or failed
    std::uint64_t files_failed = 0;
    std::uint64_t paths_failed = 0;  // not found, or directories that cannot be read
    std::uint64_t bytes_done = 0;
    bool all_found = false;
    bool interrupted = false;
  };
  using ErrorFunction = std::function<void(const FileError&)>;

  // Starts the loops: one per usable core if `loops` is empty. `on_error` is called on the
  // coordinator's thread. Throws std::system_error if that many loops cannot be started.
  ChecksumJob(zmqloop::IOLoop& coordinator, std::optional<std::size_t> loops,
              std::vector<std::string> paths, ErrorFunction on_error);
  ChecksumJob(const ChecksumJob&) = delete;
  ChecksumJob& operator=(const ChecksumJob&) = delete;

  // ---- any thread ----

  // Begins the job. Stops the coordinator when all is done.
  void start();

  // ---- coordinator ----

  // Ends the job now: abandons the unfinished files, and stops the coordinator.
  void interrupt();

  const Status& status() const { return status_; }

  // Moves out the digests, in no order.
  std::vector<FileDigest> take_digests() { return std::move(digests_); }

 private:
  // A loop of the pool, and its buffer for hashing.
  struct Worker {
    zmqloop::IOLoop* loop;
    std::unique_ptr<std::byte[]> buffer;  // only that loop's thread touches it
    std::size_t files = 0;                // handed to it; only the coordinator's thread touches it
  };

  // ---- coordinator ----

  void walk();
  void hand_out();
  void collect(Worker& worker, FileHasher& hasher, std::uint64_t bytes);
  void stop_if_done();

  // ---- the worker's loop ----

  void hash(Worker& worker, std::unique_ptr<FileHasher> hasher);

  // Constant after construction.
  zmqloop::IOLoop& coordinator_;
  const ErrorFunction on_error_;
  std::vector<Worker> workers_;  // except for the fields marked in Worker
  std::size_t most_files_per_worker_ = 1;

  // Shared.
  std::stop_source stop_;

  // Coordinator only.
  FileWalker walker_;
  std::deque<std::string> waiting_;  // found, but not handed out yet
  std::vector<FileDigest> digests_;
  Status status_;

  zmqloop::LoopPool pool_;  // last: its loops end before the members they use are destroyed
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_
