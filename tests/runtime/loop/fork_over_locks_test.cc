// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A child that is forked while another thread holds any lock of the library can do everything a
// process may do: no lock and no static guard keeps it waiting.
//
// Each operation below runs on a thread that stops at every lock it takes, as do the threads it
// starts. The locks are the library's own mutexes, those of libzmq and the libraries below it,
// guards of static variables, and the calls of sigaction() under the lock of the signal handlers.
// At each stop the process is forked, and the child performs the whole menu. The test prints the
// locks.

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sched.h>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/lock_stops.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/stack_trace.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kChildHangsAfterSeconds = 60;
constexpr unsigned kProcessHangsAfterSeconds = 240;
constexpr PollerKind kPollers[] = {PollerKind::kEpoll, PollerKind::kZmqPoll};

IOLoop::Options options(PollerKind poller, std::string name) {
  IOLoop::Options result;
  result.poller = poller;
  result.name = std::move(name);
  return result;
}

LoopThread::Options thread_options(std::string name) {
  LoopThread::Options result;
  result.name = std::move(name);
  return result;
}

LoopPool::Options pool_options(std::string name) {
  LoopPool::Options result;
  result.loops = 2;
  result.name = std::move(name);
  return result;
}

// Stops as at a lock. For user code that the library calls or copies.
void stop_in_users_code() { LockStops::stop_here("user's code", nullptr); }

// Stops while it is copied, moved or destroyed.
struct StopsWhenHandled {
  StopsWhenHandled() = default;
  StopsWhenHandled(const StopsWhenHandled&) { stop_in_users_code(); }
  StopsWhenHandled(StopsWhenHandled&&) noexcept { stop_in_users_code(); }
  StopsWhenHandled& operator=(const StopsWhenHandled&) = delete;
  ~StopsWhenHandled() { stop_in_users_code(); }
};

// ---- the process before the fork -------------------------------------------------------------

struct Parents {
  Parents() {
    ready.set_value("ready");
    stopping.set_value();
    epoll.add_timeout(1h, [] {});
    epoll.add_callback([] {});
    epoll.add_handler(
        event.get(), [] {}, Events::kRead);
    epoll.add_signal_handler(SIGUSR2, [] {});
    epoll.set_blocking_signal_threshold(1h);
    zmq_poll.add_timeout(1h, [] {});
    zmq_poll.add_callback([] {});
    periodic->start();
    delayed->start();
    thread->loop().submit([] {}).get();
    pool->submit([] {}).get();
    to_install->add_callback([] {});
    std::atomic<pid_t> waiting{0};
    std::thread([this, &waiting] {
      waiting = ::gettid();
      static_cast<void>(awaited_future->wait());
    }).detach();
    while (waiting == 0 || thread_status(waiting, "State").rfind('S', 0) != 0) ::sched_yield();
  }

  const OwnedFd event = make_event();
  IOLoop epoll{options(PollerKind::kEpoll, "parent's epoll")};
  IOLoop zmq_poll{options(PollerKind::kZmqPoll, "parent's zmq_poll")};
  std::unique_ptr<IOLoop> to_install =
      std::make_unique<IOLoop>(options(PollerKind::kEpoll, "parent's to install"));
  std::unique_ptr<LoopThread> thread = std::make_unique<LoopThread>(thread_options("parent's"));
  std::unique_ptr<LoopPool> pool = std::make_unique<LoopPool>(pool_options("parent's pool"));
  std::unique_ptr<PeriodicCallback> periodic =
      std::make_unique<PeriodicCallback>([] {}, 1h, &zmq_poll);
  std::unique_ptr<DelayedCallback> delayed =
      std::make_unique<DelayedCallback>([] {}, 1h, &zmq_poll);
  SignalCallback prepared = epoll.prepare_signal_callback([] {});
  Promise<std::string> ready;
  Promise<int> promise;
  std::optional<Future<std::string>> ready_future = ready.get_future();
  std::optional<Future<int>> future = promise.get_future();
  Promise<StopsWhenHandled> stopping;
  std::optional<Future<StopsWhenHandled>> stopping_future = stopping.get_future();
  // Awaited by a thread that shares nothing else.
  std::optional<Promise<int>> awaited{std::in_place};
  std::optional<Future<int>> awaited_future = awaited->get_future();
};

// ---- the menu of a child ---------------------------------------------------------------------

// Returns whether `signum` has its default action in this process.
bool is_default(int signum) {
  struct sigaction action = {};
  ::sigaction(signum, nullptr, &action);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

int run_loops_of_its_own() {
  for (const PollerKind poller : kPollers) {
    IOLoop loop(options(poller, "child's"));
    const OwnedFd event = make_event(/*readable=*/true);
    int calls = 0;
    loop.add_handler(
        event.get(),
        [&](Pollable self, Events) {
          ++calls;
          loop.remove_handler(self);
        },
        Events::kRead);
    PeriodicCallback periodic([&] { ++calls, periodic.stop(); }, 1ms, &loop);
    periodic.start();
    DelayedCallback delayed([&] { ++calls; }, 1ms, &loop);
    delayed.start();
    loop.add_signal_handler(SIGUSR1, [&] { ++calls; });
    std::raise(SIGUSR1);
    loop.set_blocking_signal_threshold(1h);
    std::thread poster([&] { loop.add_callback([&] { ++calls; }); });
    while (calls < 5) {
      loop.call_later(1ms, [&] { loop.stop(); });
      loop.start();
    }
    poster.join();
    loop.set_blocking_signal_threshold(std::nullopt);
    ZMQLOOP_CHILD_EXPECT(calls == 5);
    ZMQLOOP_CHILD_EXPECT(loop.remove_signal_handler(SIGUSR1));
    ZMQLOOP_CHILD_EXPECT(is_default(SIGUSR1));
    ZMQLOOP_CHILD_EXPECT(loop.run_sync([] { return 5; }) == 5);
    loop.close();
  }
  return 0;
}

int have_an_instance_of_its_own() {
  ZMQLOOP_CHILD_EXPECT(!IOLoop::initialized());
  for (int i = 0; i < 2; ++i) {
    ZMQLOOP_CHILD_EXPECT(IOLoop::instance().run_sync([i] { return i; }) == i);
    IOLoop::clear_instance();
  }
  IOLoop installed(options(PollerKind::kEpoll, "child's installed"));
  installed.install();
  ZMQLOOP_CHILD_EXPECT(&IOLoop::instance() == &installed);
  return 0;
}

int have_threads_of_its_own() {
  LoopThread thread(thread_options("child's"));
  ZMQLOOP_CHILD_EXPECT(thread.loop().submit([] { return 1; }).get() == 1);
  LoopPool pool(pool_options("child's pool"));
  ZMQLOOP_CHILD_EXPECT(pool.submit([] { return 2; })
                           .then(thread.loop(), [](auto two) { return two.get() + 1; })
                           .get() == 3);
  ZMQLOOP_CHILD_EXPECT(pool.broadcast([](IOLoop&) {}) == 2);
  pool.stop();
  pool.join();
  thread.stop();
  thread.join();
  return 0;
}

int have_futures_of_its_own() {
  Promise<int> promise;
  Future<int> future = promise.get_future();
  std::atomic<int> told{0};
  future.on_ready([&] { ++told; });
  std::thread waiter([&] { told += future.get(); });
  promise.set_value(5);
  waiter.join();
  ZMQLOOP_CHILD_EXPECT(told == 6);
  return 0;
}

int have_stalls_reported() {
  std::atomic<int> reports{0};
  IOLoop::Options watched = options(PollerKind::kEpoll, "child's watched");
  watched.blocking_threshold = 1ms;
  watched.on_stall = [&](const StallReport&) { ++reports; };
  IOLoop loop(watched);
  loop.run_sync([&] {
    while (reports == 0) ::sched_yield();
  });
  return 0;
}

int use_the_parents(Parents& parents) {
  ZMQLOOP_CHILD_EXPECT(parents.epoll.is_closed() && !parents.epoll.is_running());
  ZMQLOOP_CHILD_EXPECT(!parents.epoll.add_callback([] {}));
  ZMQLOOP_CHILD_EXPECT_THROW(parents.epoll.run_sync([] {}), std::logic_error);
  ZMQLOOP_CHILD_EXPECT_THROW(parents.epoll.remove_signal_handler(SIGUSR2), std::logic_error);
  ZMQLOOP_CHILD_EXPECT_THROW(parents.epoll.set_blocking_signal_threshold(std::nullopt),
                             std::logic_error);
  parents.epoll.stop();
  parents.prepared.raise();
  if (parents.thread != nullptr) {
    ZMQLOOP_CHILD_EXPECT(!parents.thread->loop().add_callback([] {}));
    ZMQLOOP_CHILD_EXPECT_THROW(parents.thread->join(), std::logic_error);
  }
  if (parents.pool != nullptr) {
    ZMQLOOP_CHILD_EXPECT(parents.pool->loop(0).stats().pending == 0);
    ZMQLOOP_CHILD_EXPECT_THROW(parents.pool->join(), std::logic_error);
    parents.pool->stop();
  }
  ZMQLOOP_CHILD_EXPECT(parents.periodic == nullptr || !parents.periodic->is_running());
  return 0;
}

int use_the_parents_futures(Parents& parents) {
  ZMQLOOP_CHILD_EXPECT(parents.ready_future->is_ready());
  Future<std::string>& ready = *parents.ready_future;
  ZMQLOOP_CHILD_EXPECT(ready.get() == "ready" && Future<std::string>(ready).get() == "ready");
  const StopsWhenHandled copied = parents.stopping_future->get();
  const StopsWhenHandled moved = std::move(*parents.stopping_future).get();
  ZMQLOOP_CHILD_EXPECT(!parents.future->is_ready());
  ZMQLOOP_CHILD_EXPECT(!parents.future->wait(0s));
  ZMQLOOP_CHILD_EXPECT_THROW(parents.future->get(), std::logic_error);
  ZMQLOOP_CHILD_EXPECT_THROW(parents.future->on_ready([] {}), std::logic_error);
  parents.promise.set_value(1);
  ZMQLOOP_CHILD_EXPECT(parents.future->get() == 1);
  return 0;
}

void destroy(Parents& parents) {
  parents.awaited.reset();
  parents.awaited_future.reset();
  parents.future.reset();
  parents.ready_future.reset();
  parents.promise = Promise<int>();
  parents.prepared = SignalCallback();
  parents.periodic.reset();
  parents.delayed.reset();
  parents.pool.reset();
  parents.thread.reset();
  parents.epoll.close(/*all_fds=*/true);
  parents.zmq_poll.close();
}

// The whole life of a child. It ends by exit(), which destroys the parent's remaining objects.
[[noreturn]] void live(Parents* parents, LockStops::At forked_at, bool destroys_the_parents) {
  const auto menu = [&] {
    ZMQLOOP_CHILD_EXPECT(is_default(SIGUSR1) && is_default(SIGUSR2));
    if (parents != nullptr) {
      if (const int code = use_the_parents(*parents); code != 0) return code;
      if (const int code = use_the_parents_futures(*parents); code != 0) return code;
      if (destroys_the_parents) destroy(*parents);
    }
    if (forked_at == LockStops::At::kMemory) return have_an_instance_of_its_own();
    for (const auto part :
         {&run_loops_of_its_own, &have_an_instance_of_its_own, &have_threads_of_its_own,
          &have_futures_of_its_own, &have_stalls_reported}) {
      if (const int code = part(); code != 0) return code;
    }
    return 0;
  };
  std::exit(menu());
}

// ---- the operations --------------------------------------------------------------------------

struct Operation {
  std::string_view name;
  std::function<void(Parents*)> perform;
  bool needs_parents = false;
};

void make_run_and_destroy(PollerKind poller) {
  IOLoop loop(options(poller, "brief"));
  loop.add_callback([&] { loop.add_timeout(0s, [&] { loop.stop(); }); });
  loop.start();
}

void wait_elsewhere(Promise<int>& promise, const Future<int>& future) {
  std::thread waiter([&] { static_cast<void>(future.get()); });
  future.on_ready([] {});
  promise.set_value(1);
  waiter.join();
}

void report_a_stall() {
  std::atomic<int> reports{0};
  IOLoop::Options watched = options(PollerKind::kEpoll, "watched");
  watched.blocking_threshold = 1ms;
  watched.on_stall = [&](const StallReport&) {
    stop_in_users_code();
    ++reports;
  };
  IOLoop loop(watched);
  loop.run_sync([&] {
    while (reports == 0) ::sched_yield();
  });
}

const Operation kOperations[] = {
    {"a loop that waits with epoll, made, run and destroyed",
     [](Parents*) { make_run_and_destroy(PollerKind::kEpoll); }},
    {"a loop that waits with zmq_poll, made, run and destroyed",
     [](Parents*) { make_run_and_destroy(PollerKind::kZmqPoll); }},
    {"the instance, made, run and cleared",
     [](Parents*) {
       IOLoop::instance().run_sync([] {});
       IOLoop::clear_instance();
     }},
    {"a loop installed as the instance and destroyed",
     [](Parents*) {
       IOLoop loop(options(PollerKind::kEpoll, "installed"));
       loop.install();
     }},
    {"the parent's loop installed as the instance and cleared",
     [](Parents* parents) {
       parents->to_install->install();
       IOLoop::clear_instance();
     },
     true},
    {"the first post of a thread, which ends",
     [](Parents* parents) {
       std::thread([&] { parents->thread->loop().add_callback([] {}); }).join();
     },
     true},
    {"the first post of a thread to a loop that rests",
     [](Parents* parents) { std::thread([&] { parents->epoll.add_callback([] {}); }).join(); },
     true},
    {"submit and get", [](Parents* parents) { parents->thread->loop().submit([] {}).get(); }, true},
    {"get of what another loop posts back",
     [](Parents* parents) {
       IOLoop& loop = parents->thread->loop();
       parents->pool->submit([] {}).then(loop, [](auto) {}).get();
     },
     true},
    {"a promise, kept while a thread waits",
     [](Parents*) {
       Promise<int> promise;
       wait_elsewhere(promise, promise.get_future());
     }},
    {"a future of the parent's waited for with a time limit",
     [](Parents* parents) { static_cast<void>(parents->future->wait(1us)); }, true},
    {"a continuation of a future of the parent's",
     [](Parents* parents) {
       parents->epoll.add_future(*parents->future, [](const Future<int>&) {});
     },
     true},
    {"the value of a future of the parent's, copied",
     [](Parents* parents) { static_cast<void>(parents->stopping_future->get()); }, true},
    {"a promise and its continuation, kept with a value that is moved",
     [](Parents*) {
       Promise<StopsWhenHandled> promise;
       promise.get_future().on_ready(&stop_in_users_code);
       promise.set_value(StopsWhenHandled());
       static_cast<void>(promise.get_future().get());
     }},
    {"a callback, a timer and a handler that run",
     [](Parents*) {
       IOLoop loop(options(PollerKind::kEpoll, "running"));
       const OwnedFd event = make_event(/*readable=*/true);
       loop.add_callback(&stop_in_users_code);
       loop.add_timeout(0s, &stop_in_users_code);
       loop.add_handler(
           event.get(),
           [&] {
             stop_in_users_code();
             loop.stop();
           },
           Events::kRead);
       loop.start();
     }},
    {"posts of what is moved to loops that rest, run and are closed",
     [](Parents* parents) {
       IOLoop closed(options(PollerKind::kEpoll, "closed"));
       closed.add_callback([stops = StopsWhenHandled()] {});
       closed.close();
       closed.add_callback([stops = StopsWhenHandled()] {});
       parents->epoll.add_callback([stops = StopsWhenHandled()] {});
       parents->thread->loop().submit([stops = StopsWhenHandled()] {}).get();
     },
     true},
    {"a signal handler, added and removed",
     [](Parents*) {
       IOLoop loop(options(PollerKind::kEpoll, "signalled"));
       loop.add_signal_handler(SIGUSR1, [] {});
       loop.add_signal_handler(SIGUSR1, [] {});
       loop.remove_signal_handler(SIGUSR1);
     }},
    {"the parent's signal handler, replaced",
     [](Parents* parents) {
       parents->epoll.add_signal_handler(SIGUSR2, [] {});
       parents->epoll.remove_signal_handler(SIGUSR2);
       parents->epoll.add_signal_handler(SIGUSR2, [] {});
     },
     true},
    {"a watch for stalls, begun and ended",
     [](Parents*) {
       IOLoop loop(options(PollerKind::kEpoll, "watched"));
       loop.set_blocking_signal_threshold(1h);
       loop.set_blocking_signal_threshold(2h);
       loop.set_blocking_signal_threshold(std::nullopt);
     }},
    {"a stall, reported", [](Parents*) { report_a_stall(); }},
    {"a LoopThread, made and joined",
     [](Parents*) {
       LoopThread thread(thread_options("brief"));
       thread.stop();
       thread.join();
     }},
    {"a LoopThread with hooks, destroyed",
     [](Parents*) {
       LoopThread::Options hooked = thread_options("brief");
       hooked.on_thread_start = [] { IOLoop::current().add_timeout(0s, [] {}); };
       hooked.on_thread_end = [] {};
       const LoopThread thread(hooked);
     }},
    {"the parent's LoopThread, destroyed", [](Parents* parents) { parents->thread.reset(); }, true},
    {"a LoopPool, made, used and destroyed",
     [](Parents*) {
       LoopPool pool(pool_options("brief"));
       pool.broadcast([](IOLoop&) {});
       pool.submit([] {}).get();
     }},
    {"a pinned LoopPool, joined",
     [](Parents*) {
       LoopPool::Options pinned = pool_options("pinned");
       pinned.pin = true;
       LoopPool pool(pinned);
       pool.stop();
       pool.join();
     }},
    {"the parent's LoopPool, destroyed", [](Parents* parents) { parents->pool.reset(); }, true},
    {"a PeriodicCallback and a DelayedCallback, started and destroyed",
     [](Parents* parents) {
       PeriodicCallback periodic([] {}, 1h, &parents->epoll);
       periodic.start();
       DelayedCallback delayed([] {}, 1h, &parents->epoll);
       delayed.start();
       parents->periodic.reset();
     },
     true},
    {"a loop closed with everything in it",
     [](Parents*) {
       IOLoop loop(options(PollerKind::kEpoll, "full"));
       const OwnedFd event = make_event();
       loop.add_handler(
           event.get(), [] {}, Events::kRead);
       loop.add_timeout(1h, [] {});
       loop.add_callback([] {});
       loop.add_callback_from_signal([] {});
       const SignalCallback prepared = loop.prepare_signal_callback([] {});
       prepared.raise();
       loop.add_signal_handler(SIGUSR1, [] {});
       loop.set_blocking_signal_threshold(1h);
       loop.close();
     }},
    {"work for a pool, from a loop",
     [](Parents* parents) {
       IOLoop loop(options(PollerKind::kEpoll, "asking"));
       loop.run_sync([&] { return loop.run_in_executor(*parents->pool, [] {}); });
     },
     true},
    {"misuse of another thread's loop",
     [](Parents* parents) {
       try {
         parents->thread->loop().add_timeout(1h, [] {});
       } catch (const std::logic_error&) {
       }
     },
     true},
};

// Changes of the parent's objects, each large enough to make their tables grow.
const Operation kChanges[] = {
    {"handlers, added and removed",
     [](Parents* parents) {
       for (IOLoop* const loop : {&parents->epoll, &parents->zmq_poll}) {
         std::vector<OwnedFd> events;
         for (int i = 0; i < 20; ++i) {
           events.push_back(make_event());
           loop->add_handler(
               events.back().get(), [] {}, Events::kRead);
         }
         for (const OwnedFd& event : events) loop->remove_handler(event.get());
       }
     },
     true},
    {"timers, added and removed",
     [](Parents* parents) {
       std::vector<TimeoutHandle> timers;
       for (int i = 0; i < 50; ++i) {
         timers.push_back(parents->epoll.add_timeout(
             1h, [large = std::array<char, 100>()] { static_cast<void>(large); }));
       }
       for (const TimeoutHandle& timer : timers) parents->epoll.remove_timeout(timer);
     },
     true},
    {"many posts that wait",
     [](Parents* parents) {
       for (int i = 0; i < 50; ++i) {
         parents->epoll.add_callback(
             [large = std::array<char, 100>()] { static_cast<void>(large); });
       }
     },
     true},
    {"signal handlers, added and removed",
     [](Parents* parents) {
       for (const int signum : {SIGUSR1, SIGHUP, SIGWINCH, SIGCONT, SIGUSR1}) {
         parents->epoll.add_signal_handler(signum, [] {});
       }
       for (const int signum : {SIGCONT, SIGUSR1, SIGHUP}) {
         parents->epoll.remove_signal_handler(signum);
       }
     },
     true},
    {"a threshold for stalls",
     [](Parents* parents) {
       parents->zmq_poll.set_blocking_signal_threshold(1h);
       parents->epoll.set_blocking_signal_threshold(2h);
       parents->epoll.set_blocking_signal_threshold(std::nullopt);
     },
     true},
    {"continuations of a future",
     [](Parents* parents) {
       for (int i = 0; i < 5; ++i) parents->epoll.add_future(*parents->future, [](const auto&) {});
     },
     true},
    {"the run of a loop", [](Parents* parents) { parents->epoll.run_sync([] {}); }, true},
    {"the end of a loop", [](Parents* parents) { parents->epoll.close(); }, true},
    {"the end of a LoopThread", [](Parents* parents) { parents->thread.reset(); }, true},
    {"the end of a LoopPool", [](Parents* parents) { parents->pool.reset(); }, true},
    {"the end of a PeriodicCallback and of a DelayedCallback",
     [](Parents* parents) {
       parents->periodic.reset();
       parents->delayed.reset();
     },
     true},
    {"the end of a prepared callback",
     [](Parents* parents) { parents->prepared = SignalCallback(); }, true},
    {"a LoopThread", [](Parents*) { const LoopThread brief(thread_options("brief")); }, true},
};

// ---- forking over it -------------------------------------------------------------------------

// zmq_ctx_new() briefly locks a mutex of libsodium, which would stay locked in the child. So fork()
// waits for the thread that makes the loops' context.
bool is_held_off(const LockStop& stop) {
  for (const std::uintptr_t address : stop.stack()) {
    Dl_info function = {};
    if (::dladdr(reinterpret_cast<void*>(address), &function) == 0) continue;
    const std::string_view name = function.dli_sname == nullptr ? "" : function.dli_sname;
    if (name == "zmq_ctx_new" || name == "zmq_ctx_set") return true;
  }
  return false;
}

// Waits until thread `forking` sleeps in fork(), which waits for the thread at `stop`. Then lets
// that thread go on to the next lock at which fork() need not wait. (If fork() did not wait,
// `forking` would sleep for its child instead, which hangs.)
LockStop* pass_once_waited_for(LockStops& stops, LockStop* stop, pid_t forking) {
  while (thread_status(forking, "State").rfind('S', 0) != 0) ::sched_yield();
  while (stop != nullptr && is_held_off(*stop)) {
    stops.go_on(*stop);
    stop = stops.next();
  }
  return stop;
}

// Returns the function of the library that took the lock, and the function it had called to do so.
std::string place_of(const std::vector<std::uintptr_t>& stack) {
  std::string called;
  for (const StackTrace::Frame& frame : StackTrace(stack)) {
    std::string function = frame.function;
    for (const std::string_view anonymous : {"(anonymous namespace)::"}) {
      for (std::size_t at; (at = function.find(anonymous)) != function.npos;) {
        function.erase(at, anonymous.size());
      }
    }
    std::string_view name = function;
    name = name.substr(0, name.find('('));
    if (name.empty() || name.find("zmqloop::testing::LockStop") != name.npos) continue;
    if (name.substr(0, 8) == "pthread_" || name == "sigaction") continue;
    if (name.substr(0, 5) == "std::" || name.find("__cxa_guard") != name.npos) continue;
    const bool is_ours = name.substr(0, 9) == "zmqloop::";
    if (is_ours || called.empty()) called += (called.empty() ? "" : ", for ") + std::string(name);
    if (is_ours) break;
  }
  return called.empty() ? "a thread of libzmq's own" : called;
}

// Performs the operation and forks a child at each lock. The process has used no loop before; with
// `with_parents` it first makes one of everything. Prints the locks or the failed child to stderr.
int fork_over(const Operation& operation, LockStops::At at, bool with_parents) {
  // In the children, destroyed by exit().
  static std::unique_ptr<Parents> parents;
  if (with_parents) {
    LockStops::watch_threads_made_here(true);
    parents = std::make_unique<Parents>();
    LockStops::watch_threads_made_here(false);
  }
  struct Lock {
    std::string kind;
    std::vector<std::uintptr_t> stack;
  };
  std::vector<Lock> locks;
  LockStops stops(at);
  std::thread worker([&] { stops.watch([&] { operation.perform(parents.get()); }); });
  LockStop* stop = stops.next();
  while (stop != nullptr) {
    locks.push_back({stop->kind, {stop->stack().begin(), stop->stack().end()}});
    LockStop* following = nullptr;
    std::thread helper;
    if (is_held_off(*stop)) {
      helper = std::thread(
          [&, forking = ::gettid()] { following = pass_once_waited_for(stops, stop, forking); });
    }
    const bool destroys_the_parents = locks.size() % 2 == 0;
    const ChildResult child =
        run_in_child([&]() -> int { live(parents.get(), at, destroys_the_parents); }, &::fork,
                     kChildHangsAfterSeconds);
    if (!child.ok()) {
      std::fprintf(stderr, "%s over lock %zu: code %d, signal %d, %s\n%s in\n%s",
                   child.signal == SIGALRM ? "hangs" : "fails", locks.size(), child.exit_code,
                   child.signal, child.error_output.c_str(), locks.back().kind.c_str(),
                   StackTrace(locks.back().stack).text().c_str());
      ::_exit(1);  // threads are still stopped
    }
    if (helper.joinable()) {
      helper.join();
    } else {
      stops.go_on(*stop);
      following = stops.next();
    }
    stop = following;
  }
  worker.join();
  for (const Lock& lock : locks) {
    std::fprintf(stderr, "%s in %s\n", lock.kind.c_str(), place_of(lock.stack).c_str());
  }
  return 0;
}

// ---- the promise -----------------------------------------------------------------------------

class ForkOverLocks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kCanStopAtLocks) {
      GTEST_SKIP() << "the sanitizers have mutex functions of their own, in place of the test's";
    }
  }

  static void fork_over_each(std::span<const Operation> operations, LockStops::At at,
                             bool with_parents) {
    std::map<std::string, int> met;
    for (const Operation& operation : operations) {
      if (operation.needs_parents && !with_parents) continue;
      const ChildResult process =
          run_in_child([&] { return fork_over(operation, at, with_parents); }, &::fork,
                       kProcessHangsAfterSeconds);
      ASSERT_TRUE(process.ok()) << "forked over: " << operation.name << "\n" << process;
      int locks = 0;
      for (std::string_view rest = process.error_output; !rest.empty(); ++locks) {
        const std::size_t end = rest.find('\n');
        ++met[std::string(rest.substr(0, end))];
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
      }
      std::printf("%4d forks: %s\n", locks, std::string(operation.name).c_str());
      std::fflush(stdout);
    }
    for (const auto& [lock, times] : met) std::printf("%4d times: %s\n", times, lock.c_str());
  }
};

TEST_F(ForkOverLocks, Rel_I3_NeverLeavesAChildWaiting) {
  fork_over_each(kOperations, LockStops::At::kLocks, /*with_parents=*/true);
}

TEST_F(ForkOverLocks, OfTheFirstLoopOfAProcessNeverLeavesAChildWaiting) {
  fork_over_each(kOperations, LockStops::At::kLocks, /*with_parents=*/false);
}

using ForkOverChanges = ForkOverLocks;

TEST_F(ForkOverChanges, LetsAChildDestroyWhatAParentsThreadHasHalfChanged) {
  fork_over_each(kChanges, LockStops::At::kMemory, /*with_parents=*/true);
}

}  // namespace
}  // namespace zmqloop::testing
