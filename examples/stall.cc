// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Two loops with one slow callback each, and the reports that name the function to blame.

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// Callbacks must not do this: nothing else runs on their loop meanwhile. (To wait, use a timer; for
// blocking calls, use a thread of their own.)
__attribute__((noinline)) void query_slow_database() {
  timespec left = {0, 300'000'000};
  // A wait may end early with EINTR: the watchdog asks a thread for its stack by a signal.
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

// One thread delivers the reports, and main() reads them at the end; hence the mutex.
class Reports {
 public:
  void add(const zmqloop::StallReport& stall) {
    zmqloop::IOLoop::log_stack(stall);  // set_blocking_log_threshold() would do only this
    const std::lock_guard lock(mutex_);
    ++(stall.ended ? ended_ : begun_);
    if (stall.stack.text().find("query_slow_database") != std::string::npos) ++named_;
  }
  // Returns whether `stalls` stalls were reported: each once while it lasted and once when it had
  // ended, both with the function's name.
  bool are_complete(int stalls) {
    const std::lock_guard lock(mutex_);
    std::printf("%d stalls reported while they lasted, %d ends\n", begun_, ended_);
    return begun_ == stalls && ended_ == stalls && named_ == 2 * stalls;
  }

 private:
  std::mutex mutex_;
  int begun_ = 0;
  int ended_ = 0;
  int named_ = 0;
};

}  // namespace

int main() {
  Reports reports;
  {
    zmqloop::LoopPool pool(
        {.loops = 2,
         .name = "worker",
         .loop = {.blocking_threshold = 50ms,
                  .on_stall = [&](const zmqloop::StallReport& stall) { reports.add(stall); }}});
    auto one = pool.loop(0).submit(query_slow_database);
    auto other = pool.loop(1).submit(query_slow_database);
    one.get();
    other.get();
  }  // closing the loops waits until every report is delivered
  return reports.are_complete(2) ? 0 : 1;
}
