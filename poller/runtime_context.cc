#include "zmqloop/poller/runtime_context.h"

#include <memory>

#include "zmqloop/poller/context_preflight.h"
#include "zmqloop/threading/host/per_process.h"

namespace zmqloop {
namespace {

constinit PerProcess<zmq::context_t> contexts;

std::unique_ptr<zmq::context_t> start_context(DescriptorLimit limit) {
  require_startable_context("starting ZeroMQ for a loop's wake-ups", limit);
  auto made = std::make_unique<zmq::context_t>(/*io_threads=*/0);
  // Takes effect only before the first socket.
  made->set(zmq::ctxopt::max_sockets, kRuntimeContextSockets);
  // The first socket starts libzmq's reaper thread, which aborts the process if it lacks
  // something: have it happen here, right behind the check.
  zmq::socket_t first(*made, zmq::socket_type::pair);
  return made;
}

}  // namespace

zmq::context_t& runtime_context(DescriptorLimit limit) {
  return contexts.get([limit] { return start_context(limit); });
}

}  // namespace zmqloop
