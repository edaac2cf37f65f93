#include "zmqloop/poller/runtime_context.h"

#include <atomic>
#include <memory>

#include "zmqloop/poller/descriptor_preflight.h"
#include "zmqloop/poller/process_generation.h"

namespace zmqloop {
namespace {

// Six at the first socket: three of the context, one of the socket, two that libzmq holds while it
// makes them. The rest is for what other threads open meanwhile.
constexpr int kDescriptorsToStart = 8;

struct ContextOfGeneration {
  unsigned generation = process_generation();
  ContextOfGeneration* previous = nullptr;  // the parent's, kept reachable and never touched
  zmq::context_t context{/*io_threads=*/0};
};

constinit std::atomic<ContextOfGeneration*> newest{nullptr};

std::unique_ptr<ContextOfGeneration> start_context() {
  require_free_descriptors(kDescriptorsToStart, "starting ZeroMQ for a loop's wake-ups");
  auto made = std::make_unique<ContextOfGeneration>();
  // Takes effect only before the first socket.
  made->context.set(zmq::ctxopt::max_sockets, kRuntimeContextSockets);
  // The first socket starts libzmq's reaper thread, which aborts the process if it lacks
  // descriptors: have it happen here, right behind the check.
  zmq::socket_t first(made->context, zmq::socket_type::pair);
  return made;
}

}  // namespace

// Without a lock, because a lock that another thread holds during fork stays locked in the child.
zmq::context_t& runtime_context() {
  ContextOfGeneration* current = newest.load();
  if (current != nullptr && current->generation == process_generation()) return current->context;
  std::unique_ptr<ContextOfGeneration> made = start_context();
  made->previous = current;
  if (newest.compare_exchange_strong(current, made.get())) return made.release()->context;
  return current->context;  // Another thread was first; ours is destroyed unused.
}

}  // namespace zmqloop
