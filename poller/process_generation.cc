#include "zmqloop/poller/process_generation.h"

#include <atomic>
#include <pthread.h>

namespace zmqloop {
namespace {

constinit std::atomic<unsigned> generation{0};
static_assert(std::atomic<unsigned>::is_always_lock_free, "read in signal handlers");

// Runs before main(). Should the registration fail for want of memory, a forked child is not told
// from its parent; a process that short of memory does not reach main() either.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });

}  // namespace

unsigned process_generation() noexcept { return generation.load(); }

}  // namespace zmqloop
