#include "benchmarks/snapshot.h"

#include <ctime>

namespace zmqloop::bench {

double process_cpu_ns() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

}  // namespace zmqloop::bench
