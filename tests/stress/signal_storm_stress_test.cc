// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Sends storms of signals to threads that post, allocate and sleep, and to a loop's own thread.
//
// The handlers post to two loops and raise prepared callbacks, on the thread's own stack and on an
// alternate one, and interrupt each other. Three kinds of signals come at once: signals that a
// thread raises itself, in the middle of a post, an allocation or a sleep; signals from another
// thread, many of them merged into one; and queued real-time signals, which never merge. Accepted
// posts run exactly once, and refusals and raises are counted exactly.

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <memory>
#include <poll.h>
#include <pthread.h>
#include <random>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;
constexpr std::size_t kPosters = 2;
constexpr std::size_t kWorkers = kPosters + 3;  // an allocator, a sleeper, and a loop's thread

// Numbers for each poller.
constexpr std::uint64_t kRaises = stress_count(250'000) / (kWorkers - 1) * (kWorkers - 1);
constexpr std::uint64_t kQueued = stress_count(250'000) / kWorkers * kWorkers;
constexpr std::uint64_t kKills = stress_count(100'000);  // sends up to ten times this if they merge
constexpr std::uint64_t kMostPosts = kRaises + kQueued + kKills + 4 * kWorkers;

void stay_exposed();

// ---- loops, and counts of the posts and raises to each ----

struct Books {
  explicit Books(IOLoop& its_loop)
      : loop(its_loop),
        accepted(kMostPosts),
        run(kMostPosts),
        prepared(loop.prepare_signal_callback([this](std::uint64_t count) {
          raises_run += count;
          ++calls_of_prepared;
        })) {}

  // ---- in handlers ----

  void post_from_handler() {
    const std::uint64_t number = posts++;
    if (loop.add_callback_from_signal([this, number] { ++run[number]; })) {
      accepted[number] = 1;
    } else {
      ++refused;
    }
  }
  void raise_from_handler() {
    if (prepared.raise()) ++raises;
  }

  // ---- posters ----

  void take(std::size_t poster, std::uint64_t number) {
    if (number % 64 == 0) stay_exposed();
    if (number != next_of[poster]) ++out_of_order;
    next_of[poster] = number + 1;
  }

  IOLoop& loop;

  // Written by handlers; each byte of `accepted` by only one of them.
  std::atomic<std::uint64_t> posts{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> raises{0};
  std::vector<unsigned char> accepted;

  // Loop thread only; other threads read them once the loop is at rest.
  std::vector<unsigned char> run;
  std::uint64_t raises_run = 0;
  std::uint64_t calls_of_prepared = 0;
  std::array<std::uint64_t, kPosters> next_of{};
  std::uint64_t out_of_order = 0;

  SignalCallback prepared;
};

// ---- the state that handlers use ----

const int kRaised = SIGUSR1;
const int kKilled = SIGUSR2;
const int kQueuedHere = SIGRTMIN + 1;
const int kQueuedOnStack = SIGRTMIN + 2;
const std::array<int, 4> kSignals = {kRaised, kKilled, kQueuedHere, kQueuedOnStack};

// `signals`: maximum of queued signals pending for one thread. `batch`: handled signals per credit.
struct Window {
  std::uint64_t signals;
  std::uint64_t batch;
};

Window window() {
#if defined(__SANITIZE_THREAD__)
  return {1, 1};  // TSan's runtime defers handlers, and loses signals that come meanwhile
#else
  rlimit most = {};
  getrlimit(RLIMIT_SIGPENDING, &most);
  const std::uint64_t signals =
      std::clamp<std::uint64_t>(most.rlim_cur / (2 * kWorkers), 4, 1'024) / 4 * 4;
  return {signals, signals / 4};
#endif
}

// The storm's view of one thread.
struct Worker {
  explicit Worker(const Window& its_window) : window(its_window) {
    sem_init(&credits, 0, static_cast<unsigned>(window.signals / window.batch));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { sem_destroy(&credits); }

  bool all_queued_handled() const { return queued_handled == kQueued / kWorkers; }

  const Window window;
  sem_t credits;  // each allows `window.batch` more queued signals
  std::atomic<std::uint64_t> queued_handled{0};
  pthread_t thread{};
};

struct Storm {
  Storm(IOLoop& first, IOLoop& second, const sigset_t& its_signals)
      : signals(its_signals), a(first), b(second) {
    for (auto& worker : workers) worker = std::make_unique<Worker>(window());
  }

  const sigset_t signals;
  Books a;
  Books b;
  std::array<std::unique_ptr<Worker>, kWorkers> workers;
  std::atomic<bool> done{false};

  std::atomic<std::uint64_t> raises_handled{0};
  std::atomic<std::uint64_t> kills_handled{0};
  std::atomic<std::uint64_t> queued_handled{0};
  std::atomic<std::uint64_t> errno_changed{0};
};

Storm* storm = nullptr;
constinit thread_local Worker* here = nullptr;

template <class F>
void handle(F&& f) {
  const int interrupted = errno;
  errno = 4711;
  f();
  if (errno != 4711) ++storm->errno_changed;
  errno = interrupted;
}

void on_raised(int) {
  handle([] {
    storm->a.post_from_handler();
    storm->b.raise_from_handler();
    ++storm->raises_handled;
  });
}

void on_killed(int) {
  handle([] {
    storm->a.post_from_handler();
    storm->b.post_from_handler();
    ++storm->kills_handled;
  });
}

void count_queued() {
  ++storm->queued_handled;
  if (++here->queued_handled % here->window.batch == 0) sem_post(&here->credits);
}

void on_queued(int) {
  handle([] {
    storm->b.post_from_handler();
    count_queued();
  });
}

void on_queued_on_stack(int) {
  handle([] {
    storm->a.post_from_handler();
    storm->a.raise_from_handler();
    count_queued();
  });
}

// Installs the storm's handlers, and later restores the previous ones. Interrupted calls are not
// restarted, and no handler masks other signals.
class Handlers {
 public:
  Handlers() {
    sigemptyset(&all_);
    install(kRaised, &on_raised, 0, before_[0]);
    install(kKilled, &on_killed, SA_ONSTACK, before_[1]);
    install(kQueuedHere, &on_queued, 0, before_[2]);
    install(kQueuedOnStack, &on_queued_on_stack, SA_ONSTACK, before_[3]);
    // Threads made from here on start with these signals blocked.
    pthread_sigmask(SIG_BLOCK, &all_, nullptr);
  }
  Handlers(const Handlers&) = delete;
  Handlers& operator=(const Handlers&) = delete;
  ~Handlers() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    pthread_sigmask(SIG_UNBLOCK, &all_, nullptr);
  }

  const sigset_t& all() const { return all_; }

 private:
  void install(int signum, void (*handler)(int), int flags, struct sigaction& before) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signum, &action, &before);
    sigaddset(&all_, signum);
  }

  sigset_t all_;
  std::array<struct sigaction, 4> before_{};
};

// TSan's runtime makes a thread's signal record at its first signal, or at its first call that may
// block. If that signal comes inside that call, it is lost. So we make such a call beforehand.
void prepare_for_signals() {
#if defined(__SANITIZE_THREAD__)
  poll(nullptr, 0, 0);
#endif
}

// Exposes the calling thread, which is `worker`, to the storm, with an alternate signal stack.
class Exposed {
 public:
  explicit Exposed(Worker& worker) : memory_(256 * 1'024) {
    stack_t stack = {};
    stack.ss_sp = memory_.data();
    stack.ss_size = memory_.size();
    sigaltstack(&stack, &before_);
    here = &worker;
    worker.thread = pthread_self();
    prepare_for_signals();
    pthread_sigmask(SIG_UNBLOCK, &storm->signals, nullptr);
  }
  Exposed(const Exposed&) = delete;
  Exposed& operator=(const Exposed&) = delete;
  ~Exposed() {
    pthread_sigmask(SIG_BLOCK, &storm->signals, nullptr);
    here = nullptr;
    sigaltstack(&before_, nullptr);
  }

 private:
  std::vector<char> memory_;
  stack_t before_ = {};
};

// Unblocks the storm's signals; workers call it now and then, and before they raise a signal.
// TSan's runtime sometimes leaves all signals of a thread blocked: if one more signal comes as it
// starts to deliver deferred ones, it saves the mask again, now with everything blocked, and
// restores that.
void stay_exposed() {
#if defined(__SANITIZE_THREAD__)
  if (here != nullptr) pthread_sigmask(SIG_UNBLOCK, &storm->signals, nullptr);
#endif
}

// ---- the interrupted threads ----

// Sets errno, gives signals some time to come, and checks that errno is unchanged.
template <class F>
void expect_errno_to_stay(int value, F&& meanwhile) {
  errno = value;
  meanwhile();
  if (errno != value) ++storm->errno_changed;
}

// Raises a signal on its own thread when it is moved into its slot: after the post was accepted,
// but before the loop can see it.
class RaisesInsideItsPost {
 public:
  RaisesInsideItsPost(Books& to, std::size_t poster, std::uint64_t number, bool raises)
      : to_(&to), poster_(poster), number_(number), raises_(raises) {}
  RaisesInsideItsPost(RaisesInsideItsPost&& other) noexcept
      : to_(other.to_), poster_(other.poster_), number_(other.number_), raises_(false) {
    if (other.raises_) raise(kRaised);
  }
  RaisesInsideItsPost& operator=(RaisesInsideItsPost&&) = delete;
  ~RaisesInsideItsPost() = default;
  void operator()() const { to_->take(poster_, number_); }

 private:
  Books* to_;
  std::size_t poster_;
  std::uint64_t number_;
  bool raises_;
};

// Returns the number of posts to each loop.
std::uint64_t post_until_done(const Worker& worker, std::size_t poster, std::uint64_t raises) {
  const auto wait_if_far_behind = [](IOLoop& loop) {
    while (loop.stats().pending > 100'000) std::this_thread::yield();
  };
  std::uint64_t number = 0;
  for (; number < raises || !storm->done || !worker.all_queued_handled(); ++number) {
    expect_errno_to_stay(static_cast<int>(number % 100), [] {
      for (int i = 0; i < 50; ++i) asm volatile("" ::: "memory");
    });
    const bool raise_at_a = number < raises && number % 2 == 0;
    const bool raise_at_b = number < raises && number % 2 == 1;
    if (number < raises || number % 64 == 0) stay_exposed();
    storm->a.loop.add_callback(RaisesInsideItsPost(storm->a, poster, number, raise_at_a));
    storm->b.loop.add_callback(RaisesInsideItsPost(storm->b, poster, number, raise_at_b));
    if (number % 64 != 0) continue;
    wait_if_far_behind(storm->a.loop);
    wait_if_far_behind(storm->b.loop);
  }
  return number;
}

// Returns the number of checked bytes that differ from the fill of their block.
std::uint64_t allocate_until_done(const Worker& worker, std::uint64_t raises) {
  struct Block {
    unsigned char* memory = nullptr;
    std::size_t size = 0;
    unsigned char filled_with = 0;
  };
  std::array<Block, 64> blocks;
  std::minstd_rand random(4711);
  std::uint64_t damaged = 0;
  const auto release = [&](Block& block) {
    for (std::size_t i = 0; i < block.size; i += 61) {
      if (block.memory[i] != block.filled_with) ++damaged;
    }
    std::free(block.memory);
    block = {};
  };
  for (std::uint64_t i = 0; i < raises || !storm->done || !worker.all_queued_handled(); ++i) {
    Block& block = blocks[random() % blocks.size()];
    release(block);
    // Small blocks, larger ones, and now and then one with a mapping of its own.
    const std::size_t most = i % 256 == 0 ? 500'000 : i % 8 == 0 ? 20'000 : 500;
    block = {nullptr, random() % most + 1, static_cast<unsigned char>(i)};
    block.memory = static_cast<unsigned char*>(std::malloc(block.size));
    if (i < raises || i % 64 == 0) stay_exposed();
    expect_errno_to_stay(static_cast<int>(i % 100), [&] {
      std::memset(block.memory, block.filled_with, block.size);
      if (i < raises) raise(kRaised);
    });
  }
  for (Block& block : blocks) release(block);
  return damaged;
}

// Returns the number of sleeps that ended without a signal.
std::uint64_t sleep_until_done(const Worker& worker, std::uint64_t raises) {
  // This thread takes signals only while it sleeps: none can come between the check of `done` and
  // the sleep. TSan's runtime may have blocked them already (see stay_exposed()): so we unblock
  // them by name.
  sigset_t asleep;
  pthread_sigmask(SIG_BLOCK, &storm->signals, &asleep);
  for (const int signum : kSignals) sigdelset(&asleep, signum);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  std::uint64_t overslept = 0;
  for (std::uint64_t i = 0; i < raises || !storm->done || !worker.all_queued_handled(); ++i) {
    if (i < raises) raise(kRaised);
    int ended = 0;
    errno = 0;
    switch (i % 3) {
      case 0:
        ended = sigsuspend(&asleep);
        break;
      case 1:
        ended = ppoll(nullptr, 0, nullptr, &asleep);
        break;
      default:
        ended = epoll_pwait(epoll, &event, 1, -1, &asleep);
    }
    if (ended != -1 || errno != EINTR) ++overslept;
  }
  close(epoll);
  pthread_sigmask(SIG_SETMASK, &asleep, nullptr);
  return overslept;
}

// ---- the senders of signals ----

void queue_signals() {
  for (std::uint64_t i = 0; i < kQueued; ++i) {
    Worker& worker = *storm->workers[i % kWorkers];
    const std::uint64_t number = i / kWorkers;
    if (number % worker.window.batch == 0) {
      while (sem_wait(&worker.credits) != 0) EXPECT_EQ(errno, EINTR);
    }
    // EAGAIN: other programs have used up the user's limit of queued signals.
    const int signum = number % 2 == 0 ? kQueuedHere : kQueuedOnStack;
    while (const int error = pthread_sigqueue(worker.thread, signum, {})) {
      ASSERT_EQ(error, EAGAIN);
      std::this_thread::yield();
    }
  }
}

// Does not wait until a signal is handled: on one core each would cost two turns of the scheduler.
// As many signals merge, it goes on while queue_signals() runs, up to a limit.
void kill_threads() {
  for (std::uint64_t sent = 0; sent < 10 * kKills && storm->kills_handled < kKills; ++sent) {
    if (sent >= kKills && storm->queued_handled == kQueued) return;
    EXPECT_EQ(pthread_kill(storm->workers[sent % kWorkers]->thread, kKilled), 0);
  }
}

// ---- the test ----

void compare(const Books& books, const std::array<std::uint64_t, kPosters>& posted) {
  const std::uint64_t posts = books.posts;
  ASSERT_LE(posts, kMostPosts);
  std::uint64_t accepted = 0;
  std::uint64_t lost = 0;
  std::uint64_t run_too_often = 0;
  for (std::uint64_t number = 0; number < posts; ++number) {
    accepted += books.accepted[number];
    if (books.run[number] < books.accepted[number]) ++lost;
    if (books.run[number] > books.accepted[number]) ++run_too_often;
  }
  EXPECT_EQ(lost, 0u) << books.loop.name();
  EXPECT_EQ(run_too_often, 0u) << books.loop.name();
  EXPECT_EQ(accepted + books.refused, posts) << books.loop.name();
  EXPECT_EQ(books.raises_run, books.raises) << books.loop.name();
  EXPECT_EQ(books.out_of_order, 0u) << books.loop.name();
  EXPECT_EQ(books.next_of, posted) << books.loop.name();
  const LoopStats stats = books.loop.stats();
  // Raises that waited together make one post and one call.
  EXPECT_EQ(stats.signal_posts_accepted, accepted + books.calls_of_prepared);
  EXPECT_EQ(stats.signal_posts_refused, books.refused);
  EXPECT_EQ(stats.posts_refused, 0u);
  EXPECT_EQ(stats.callback_exceptions, 0u);
  EXPECT_GT(accepted, 0u);
  const std::string of_loop = books.loop.name() + "_";
  ::testing::Test::RecordProperty(of_loop + "accepted", std::to_string(accepted));
  ::testing::Test::RecordProperty(of_loop + "refused", std::to_string(books.refused));
  ::testing::Test::RecordProperty(of_loop + "raises", std::to_string(books.raises));
  ::testing::Test::RecordProperty(of_loop + "calls", std::to_string(books.calls_of_prepared));
}

class SignalStormStress : public ::testing::TestWithParam<PollerKind> {
 protected:
  static IOLoop::Options options(const char* name, std::size_t signal_slots) {
    IOLoop::Options result;
    result.poller = GetParam();
    result.name = name;
    result.signal_slots = signal_slots;
    return result;
  }
  const LoopWatchdog watchdog_{kSeconds};
};
ZMQLOOP_ON_BOTH_POLLERS(SignalStormStress);

TEST_P(SignalStormStress, Rel_E3_E9_AtThreadsThatPostAllocateAndSleepLosesNothing) {
  const Handlers handlers;
  LoopThread::Options of_thread;
  of_thread.loop = options("a", 65'536);
  LoopThread thread_of_a(of_thread);
  IOLoop loop_b(options("b", 16));  // so that many posts are refused
  LoopWatchdog::watch(thread_of_a.loop());
  LoopWatchdog::watch(loop_b);
  const auto all = std::make_unique<Storm>(thread_of_a.loop(), loop_b, handlers.all());
  storm = all.get();

  constexpr std::uint64_t kRaisesEach = kRaises / (kWorkers - 1);
  std::array<std::uint64_t, kPosters> posted{};
  std::uint64_t damaged = 0;
  std::uint64_t overslept = 0;
  std::latch ready{kWorkers + 1};
  std::vector<std::thread> workers;
  const auto start_worker = [&](auto work) {
    Worker& worker = *all->workers[workers.size()];
    workers.emplace_back([&, work] {
      const Exposed exposed(worker);
      ready.arrive_and_wait();
      work(worker);
    });
  };
  for (std::size_t poster = 0; poster < kPosters; ++poster) {
    start_worker([&, poster](const Worker& worker) {
      posted[poster] = post_until_done(worker, poster, kRaisesEach);
    });
  }
  start_worker([&](const Worker& worker) { damaged = allocate_until_done(worker, kRaisesEach); });
  start_worker([&](const Worker& worker) { overslept = sleep_until_done(worker, kRaisesEach); });
  start_worker([&](const Worker&) { loop_b.start(); });
  ready.arrive_and_wait();

  std::thread queuer(&queue_signals);
  std::thread killer(&kill_threads);
  queuer.join();
  killer.join();
  storm->done = true;
  for (std::size_t i = 0; i + 1 < kWorkers; ++i) {
    pthread_kill(workers[i].native_handle(), kKilled);  // makes the sleeper check `done`
    workers[i].join();
  }
  thread_of_a.loop().submit([] {}).get();
  const auto& worker_of_b = *all->workers.back();
  loop_b
      .submit([&] {
        while (!worker_of_b.all_queued_handled()) {
          stay_exposed();
          std::this_thread::yield();
        }
      })
      .get();
  // Waits for the later posts of handlers on this loop's own thread.
  loop_b.submit([] {}).get();
  thread_of_a.loop().submit([] {}).get();
  loop_b.stop();
  workers.back().join();

  EXPECT_EQ(all->raises_handled, kRaises);
  EXPECT_EQ(all->queued_handled, kQueued);
  EXPECT_GT(all->kills_handled, 0u);
  RecordProperty("kills_handled", std::to_string(all->kills_handled));
  RecordProperty("posted", std::to_string(posted[0] + posted[1]));
  EXPECT_EQ(all->errno_changed, 0u);
  EXPECT_EQ(damaged, 0u);
  EXPECT_EQ(overslept, 0u);
  compare(all->a, posted);
  compare(all->b, posted);
}

}  // namespace
}  // namespace zmqloop::testing
