// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Two loops with one slow callback each, and the reports that say which function was to blame.

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// What a callback must not do: nothing else runs on its loop meanwhile. (To wait, use a timer; for
// what blocks, a thread of its own.)
__attribute__((noinline)) void query_slow_database() {
  timespec left = {0, 300'000'000};
  // A wait may end early with EINTR: asking the thread for its stack is a signal.
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

// Reports are delivered by one thread, but read by main() in the end.
class Reports {
 public:
  void add(const zmqloop::StallReport& stall) {
    zmqloop::IOLoop::log_stack(stall);  // which set_blocking_log_threshold() would do alone
    const std::lock_guard lock(mutex_);
    ++(stall.ended ? ended_ : begun_);
    if (stall.stack.text().find("query_slow_database") != std::string::npos) ++named_;
  }
  // Whether so many stalls were reported, each once while it lasted and once when it had ended,
  // with the function's name.
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
  }  // the loops close: every report has been delivered then
  return reports.are_complete(2) ? 0 : 1;
}
