// The coordinator: finds the files, has the pool's loops hash them, and collects the digests.
//
//   coordinator ── add_callback: "hash this file" ──▶ one of the pool's loops
//   coordinator ◀── add_callback: "here it is" ────── the same loop
//
// There is no lock. A FileHasher belongs to whoever holds it and travels in the callbacks; all
// other state belongs to the thread of one loop and is touched by no other.
//
// No callback takes long. The walk takes a few directory entries at a time, a large file a few
// megabytes; then each posts itself again, behind whatever has come meanwhile: results, a timer, a
// signal. And no queue grows long: each loop has a bounded number of files, and gets another one
// when it gives one back.
//
// Threads: marked below. The pool must have ended before the job is destroyed, and the coordinator
// must not run again after it: their callbacks refer to the job.
// Errors: files that cannot be read go to the function given for them.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
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

  // `on_error` is called on the coordinator's thread.
  ChecksumJob(zmqloop::IOLoop& coordinator, zmqloop::LoopPool& pool, std::vector<std::string> paths,
              ErrorFunction on_error);
  ChecksumJob(const ChecksumJob&) = delete;
  ChecksumJob& operator=(const ChecksumJob&) = delete;

  // ---- any thread ----

  // Begins; the coordinator is stopped when all is done.
  void start();

  // ---- coordinator ----

  // Ends the job now: what the loops are at is given up, and the coordinator is stopped.
  void interrupt();

  const Status& status() const { return status_; }

  // Gives away what was hashed, in no order.
  std::vector<FileDigest> take_digests() { return std::move(digests_); }

 private:
  // A loop of the pool, and what it needs for hashing.
  struct Worker {
    zmqloop::IOLoop* loop;
    std::unique_ptr<std::byte[]> buffer;  // only that loop's thread touches it
    std::size_t files = 0;                // given to it; only the coordinator's thread touches it
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
  const std::size_t most_files_per_worker_;

  // Shared.
  std::stop_source stop_;

  // Coordinator only.
  FileWalker walker_;
  std::deque<std::string> waiting_;  // found, and not handed out yet
  std::vector<FileDigest> digests_;
  Status status_;

  std::vector<Worker> workers_;  // see Worker
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_JOB_H_
