// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/signals/signal_dispatch.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "zmqloop/threading/host/backoff.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/fork_proof_mutex.h"
#include "zmqloop/threading/host/stack_capture.h"

namespace zmqloop::signal_dispatch {
namespace {

// Nodes are unlinked by a single store, while handlers may be walking the list. They are freed once
// no handler is inside.
struct Subscription {
  PreparedCallback* callback;
  std::atomic<Subscription*> next;
};

struct Signal {
  std::atomic<Subscription*> subscriptions{nullptr};
  std::atomic<unsigned> handlers_inside{0};
  // Set while the handler may be installed. That is longer than there are subscriptions, so that a
  // child forked before the handler is removed knows of it.
  std::atomic<bool> may_be_installed{false};
  // Written under the mutex before the handler is installed; valid while may_be_installed.
  struct sigaction previous = {};
};

std::array<Signal, NSIG> signals;
constinit ForkProofMutex mutex;  // serialises subscribers; handlers do not lock it

Signal& signal_of(int signum) { return signals[static_cast<std::size_t>(signum)]; }

extern "C" void zmqloop_on_signal(int signum, siginfo_t* info, void*) {
  if (signum == stack_capture::kSignal && stack_capture::answer(*info)) return;
  Signal& signal = signal_of(signum);
  const std::uint32_t generation = fork_generation();
  signal.handlers_inside.fetch_add(1);
  for (const Subscription* s = signal.subscriptions; s != nullptr; s = s->next) {
    s->callback->raise();
  }
  if (generation == fork_generation()) signal.handlers_inside.fetch_sub(1);  // a child starts at 0
}

// The handler runs on the alternate stack, if the thread has one: the thread may be on a small
// stack of its own, as a fibre is.
void install(int signum, Signal& signal) {
  struct sigaction action = {};
  action.sa_sigaction = &zmqloop_on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signum, nullptr, &signal.previous) == 0) {
    signal.may_be_installed = true;
    if (::sigaction(signum, &action, nullptr) == 0) return;
    signal.may_be_installed = false;
  }
  throw std::system_error(errno, std::generic_category(),
                          absl::StrCat("IOLoop::add_signal_handler: sigaction for signal ", signum));
}

void put_back(int signum, Signal& signal) noexcept {
  struct sigaction current = {};
  if (::sigaction(signum, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) != 0 &&
      current.sa_sigaction == &zmqloop_on_signal) {
    ::sigaction(signum, &signal.previous, nullptr);
  } else if (signum == stack_capture::kSignal) {
    stack_capture::hand_on_to(signal.previous, &zmqloop_on_signal);
  }
  signal.may_be_installed = false;
}

// In a child: drops the subscriptions, which are the parent's, and restores the earlier actions.
[[maybe_unused]] const ForkGuard& start_afresh = ForkGuard::for_good([](void*) noexcept {
  for (int signum = 1; signum < NSIG; ++signum) {
    Signal& signal = signal_of(signum);
    signal.subscriptions = nullptr;
    if (signal.may_be_installed) put_back(signum, signal);
    signal.handlers_inside = 0;
  }
});

}  // namespace

void require_handleable(const char* operation, int signum) {
  const auto refuse = [&](const char* why) {
    throw std::invalid_argument(absl::StrCat(operation, ": signal ", signum, why));
  };
  if (signum <= 0 || signum >= NSIG) refuse(" does not exist");
  switch (signum) {
    case SIGKILL:
    case SIGSTOP:
      return refuse(" cannot be handled");
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
      return refuse(
          " is a fault of the running thread, which cannot go on to let a loop handle it");
    default:
      return;
  }
}

void subscribe(int signum, PreparedCallback& callback) {
  auto subscription = std::make_unique<Subscription>();
  const std::lock_guard hold(mutex);
  Signal& signal = signal_of(signum);
  Subscription* const first = signal.subscriptions;
  subscription->callback = &callback;
  subscription->next = first;
  // Link it first, so that the handler finds it as soon as it is installed.
  signal.subscriptions = subscription.get();
  if (first == nullptr) {
    try {
      install(signum, signal);
    } catch (...) {
      signal.subscriptions = nullptr;
      throw;
    }
  }
  static_cast<void>(subscription.release());
}

void unsubscribe(int signum, PreparedCallback& callback) noexcept {
  const std::lock_guard hold(mutex);
  Signal& signal = signal_of(signum);
  std::atomic<Subscription*>* link = &signal.subscriptions;
  while (*link != nullptr && link->load()->callback != &callback) link = &link->load()->next;
  const std::unique_ptr<Subscription> unlinked(*link);
  if (unlinked == nullptr) return;
  *link = unlinked->next.load();
  if (signal.subscriptions == nullptr) put_back(signum, signal);
  for (Backoff backoff; signal.handlers_inside != 0;) backoff.step();
}

}  // namespace zmqloop::signal_dispatch
