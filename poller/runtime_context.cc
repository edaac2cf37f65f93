// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/runtime_context.h"

#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>

#include "zmqloop/poller/context_preflight.h"
#include "zmqloop/threading/host/fork_proof_mutex.h"
#include "zmqloop/threading/host/per_process.h"

namespace zmqloop {
namespace {

constinit PerProcess<zmq::context_t> contexts;

// Held while a context is made, and across fork(): zmq_ctx_new() locks a mutex of libsodium, which
// would stay locked in a child. The forking thread makes contexts without it, so that fork handlers
// can make loops.
constinit ForkProofMutex making_or_forking;
constinit thread_local bool forks_here = false;

[[gnu::constructor(102)]] void keep_forks_apart() {
  static_cast<void>(::pthread_atfork(
      [] {
        making_or_forking.lock();
        forks_here = true;
      },
      [] {
        forks_here = false;
        making_or_forking.unlock();
      },
      [] {
        forks_here = false;
        making_or_forking.unlock();
      }));
}

std::unique_ptr<zmq::context_t> make_context() {
  std::optional<std::lock_guard<ForkProofMutex>> lock;
  if (!forks_here) lock.emplace(making_or_forking);
  return std::make_unique<zmq::context_t>(/*io_threads=*/0);
}

std::unique_ptr<zmq::context_t> start_context(DescriptorLimit limit) {
  require_startable_context("starting ZeroMQ for a loop's wake-ups", limit);
  auto made = make_context();
  // Takes effect only before the first socket.
  made->set(zmq::ctxopt::max_sockets, kRuntimeContextSockets);
  // The first socket starts libzmq's reaper thread, which aborts the process if it lacks a
  // resource. So start it here, right after the check.
  zmq::socket_t first(*made, zmq::socket_type::pair);
  return made;
}

}  // namespace

zmq::context_t& runtime_context(DescriptorLimit limit) {
  return contexts.get([limit] { return start_context(limit); });
}

}  // namespace zmqloop
