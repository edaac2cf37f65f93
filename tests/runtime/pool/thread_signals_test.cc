// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Signals and the library's threads. A thread has the mask of the thread that makes it, so that
// programs and threads started by callbacks are as killable as those of main(). And a signal that
// interrupts a system call of a callback loses nothing.

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <pthread.h>
#include <set>
#include <spawn.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/stall_reports.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

// The signals that a mask blocks.
using Blocked = std::set<int>;

sigset_t mask_of(const Blocked& signals) {
  sigset_t mask;
  ::sigemptyset(&mask);
  for (const int signum : signals) ::sigaddset(&mask, signum);
  return mask;
}
Blocked signals_of(const sigset_t& mask) {
  Blocked signals;
  for (int signum = 1; signum <= SIGRTMAX; ++signum) {
    if (::sigismember(&mask, signum) == 1) signals.insert(signum);
  }
  return signals;
}
Blocked blocked_here() {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return signals_of(mask);
}

// While it lives, the calling thread blocks these signals and no others.
class BlockedHere {
 public:
  explicit BlockedHere(const Blocked& signals) {
    const sigset_t mask = mask_of(signals);
    ::pthread_sigmask(SIG_SETMASK, &mask, &before_);
  }
  BlockedHere(const BlockedHere&) = delete;
  BlockedHere& operator=(const BlockedHere&) = delete;
  ~BlockedHere() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// All signals that can be blocked: sigfillset() omits two, which the C library reserves.
Blocked all_signals() {
  sigset_t mask;
  ::sigfillset(&mask);
  const BlockedHere blocked(signals_of(mask));
  return blocked_here();
}
Blocked all_but_faults() {
  Blocked signals = all_signals();
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    signals.erase(fault);
  }
  return signals;
}

class ThreadSignals : public OnBothPollers {
 protected:
  static std::vector<Blocked> masks() {
    return {{}, {SIGUSR1}, {SIGINT, SIGTERM, SIGRTMIN + 2}, all_but_faults(), all_signals()};
  }
  static LoopThread::Options of_thread(bool block_signals = false) {
    LoopThread::Options result;
    result.loop = options("worker");
    result.loop.block_signals = block_signals;
    return result;
  }
  static LoopPool::Options of_pool(bool block_signals = false) {
    LoopPool::Options result;
    result.loops = 3;
    result.loop = options("not used");
    result.loop.block_signals = block_signals;
    return result;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(ThreadSignals);

// ---- masks -----------------------------------------------------------------------------------

TEST_P(ThreadSignals, Rel_E10_AreBlockedInALoopThreadAsTheyAreInItsMaker) {
  for (const Blocked& mask : masks()) {
    const BlockedHere blocked(mask);
    LoopThread thread(of_thread());
    EXPECT_EQ(thread.loop().submit(blocked_here).get(), mask);
    EXPECT_EQ(blocked_here(), mask) << "the maker's is as it was";
  }
}

TEST_P(ThreadSignals, Rel_E10_AreBlockedInAPoolsThreadsAsTheyAreInItsMaker) {
  for (const Blocked& mask : masks()) {
    const BlockedHere blocked(mask);
    LoopPool pool(of_pool());
    for (std::size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(pool.loop(i).submit(blocked_here).get(), mask);
    }
    EXPECT_EQ(blocked_here(), mask) << "the maker's is as it was";
  }
}

TEST_P(ThreadSignals, Rel_E10_AreAllBlockedIfThatIsAskedFor) {
  for (const Blocked& mask : masks()) {
    const BlockedHere blocked(mask);
    LoopThread thread(of_thread(/*block_signals=*/true));
    LoopPool pool(of_pool(/*block_signals=*/true));
    EXPECT_EQ(thread.loop().submit(blocked_here).get(), all_but_faults());
    for (std::size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(pool.loop(i).submit(blocked_here).get(), all_but_faults());
    }
    EXPECT_EQ(blocked_here(), mask) << "the maker's is as it was";
  }
}

TEST_P(ThreadSignals, AreBlockedInWhatALoopThreadMakesAsTheyAreThere) {
  for (const bool block_signals : {false, true}) {
    LoopThread thread(of_thread(block_signals));
    const Blocked there = thread.loop().submit(blocked_here).get();
    const auto nested = thread.loop().submit([] {
      return std::make_shared<LoopThread>(of_thread());
    }).get();
    EXPECT_EQ(nested->loop().submit(blocked_here).get(), there);
    const Blocked of_plain_thread = thread.loop().submit([] {
      Blocked seen;
      std::thread([&seen] { seen = blocked_here(); }).join();
      return seen;
    }).get();
    EXPECT_EQ(of_plain_thread, there);
    EXPECT_EQ(there, block_signals ? all_but_faults() : blocked_here());
  }
}

TEST_P(ThreadSignals, AreBlockedInEachHookAndTaskAlike) {
  const BlockedHere blocked({SIGUSR1});
  std::vector<Blocked> seen;
  LoopThread::Options hooked = of_thread();
  hooked.on_thread_start = [&] { seen.push_back(blocked_here()); };
  hooked.on_thread_end = [&] { seen.push_back(blocked_here()); };
  {
    LoopThread thread(hooked);
    spawn(thread.loop(), [](std::vector<Blocked>& all) -> Task<void> {
      all.push_back(blocked_here());
      co_await sleep_for(1us);
      all.push_back(blocked_here());
    }(seen)).get();
  }
  EXPECT_EQ(seen, std::vector<Blocked>(4, Blocked{SIGUSR1}));
}

// SIGURG, by which the watchdog asks for stacks, is unblocked only on a watched loop's thread.
TEST_P(ThreadSignals, AreBlockedAsBeforeWithAThresholdForStallsButForThatOfTheStacks) {
  LoopThread::Options watched = of_thread(/*block_signals=*/true);
  watched.loop.blocking_threshold = 1h;
  LoopThread thread(watched);
  Blocked expected = all_but_faults();
  expected.erase(SIGURG);
  EXPECT_EQ(thread.loop().submit(blocked_here).get(), expected);
  thread.loop().submit([&] { thread.loop().set_blocking_signal_threshold(std::nullopt); }).get();
}

// ---- programs --------------------------------------------------------------------------------

pid_t spawn_shell(const char* script) {
  const char* const argv[] = {"sh", "-c", script, nullptr};
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawnp(&pid, "sh", nullptr, nullptr, const_cast<char* const*>(argv), environ),
            0);
  return pid;
}
pid_t fork_shell(const char* script) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execlp("sh", "sh", "-c", script, static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return pid;
}
int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) EXPECT_EQ(errno, EINTR);
  return status;
}

// Maps each way to start a program here, and a signal the program sends itself, to its exit status.
// If the signal is blocked, "kill" returns to the shell, which exits with 7.
using Starts = std::map<std::string, int>;
Starts ends_of_programs_started_here() {
  Starts ends;
  for (const std::string signal : {"TERM", "INT", "HUP", "PIPE", "ALRM", "USR1", "CHLD"}) {
    const std::string script = "kill -" + signal + " $$; exit 7";
    ends["posix_spawn " + signal] = wait_for(spawn_shell(script.c_str()));
    ends["fork and exec " + signal] = wait_for(fork_shell(script.c_str()));
    ends["system " + signal] = std::system(script.c_str());
    std::thread([&] {
      ends["posix_spawn in a thread " + signal] = wait_for(spawn_shell(script.c_str()));
    }).join();
  }
  return ends;
}

class ProgramsStarted : public ThreadSignals {
 protected:
  // Started by the main thread.
  const Starts expected_ = ends_of_programs_started_here();
};
ZMQLOOP_ON_BOTH_POLLERS(ProgramsStarted);

TEST_P(ProgramsStarted, Rel_E10_ByALoopThreadAreAsKillableAsThoseOfMain) {
  EXPECT_EQ(expected_.at("posix_spawn TERM"), SIGTERM) << "the reference";
  LoopThread thread(of_thread());
  EXPECT_EQ(thread.loop().submit(ends_of_programs_started_here).get(), expected_);
}

TEST_P(ProgramsStarted, ByAPoolAreAsKillableAsThoseOfMain) {
  LoopPool pool(of_pool());
  EXPECT_EQ(pool.submit(ends_of_programs_started_here).get(), expected_);
}

TEST_P(ProgramsStarted, ByEachKindOfCallableAreAsKillableAsThoseOfMain) {
  const OwnedFd event = make_event(/*readable=*/true);
  std::vector<Starts> ends;
  std::atomic<int> called{0};
  const auto start = [&] {
    ends.push_back(ends_of_programs_started_here());
    ++called;
  };
  LoopThread thread(of_thread());
  thread.loop().submit([&] {
    thread.loop().add_timeout(0s, start);
    thread.loop().add_handler(
        event.get(),
        [&](Pollable self, Events) {
          thread.loop().remove_handler(self);
          start();
        },
        Events::kRead);
    thread.loop().add_signal_handler(SIGUSR2, start);
    thread.loop().add_callback([&]() -> Task<void> {
      co_await sleep_for(1us);
      start();
    });
    raise(SIGUSR2);
  }).get();
  EXPECT_TRUE(eventually([&] { return called == 4; }));
  thread.stop();
  thread.join();
  for (const Starts& each : ends) EXPECT_EQ(each, expected_);
}

TEST_P(ProgramsStarted, ByAStallsActionAreAsKillableAsThoseOfMain) {
  std::vector<Starts> ends;
  StallReports reports;
  LoopThread thread(of_thread());
  thread.loop().submit([&] {
    thread.loop().set_blocking_signal_threshold(5ms, [&](const StallReport& report) {
      if (!report.ended) ends.push_back(ends_of_programs_started_here());
      reports.add(report);
    });
  }).get();
  thread.loop().submit([&] { reports.wait_until_begun(1); }).get();
  thread.stop();
  thread.join();
  ASSERT_FALSE(ends.empty());
  EXPECT_EQ(ends[0], expected_);
}

// Starts a program that runs until its input ends, and sends it SIGTERM. Returns its "SigBlk:" line
// and its exit status.
std::pair<std::string, int> kill_a_waiting_program() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const OwnedFd input(ends[0]);
  OwnedFd held_open(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  const char* const argv[] = {"cat", nullptr};
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawnp(&pid, "cat", &actions, nullptr, const_cast<char* const*>(argv), environ),
            0);
  ::posix_spawn_file_actions_destroy(&actions);
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string blocked;
  while (std::getline(status, blocked) && blocked.rfind("SigBlk:", 0) != 0) continue;
  ::kill(pid, SIGTERM);
  // If it blocks signals, lets it end by itself, with another status.
  if (blocked.find_first_not_of("0\t ", sizeof "SigBlk:" - 1) != std::string::npos) {
    held_open.close();
  }
  return {blocked, wait_for(pid)};
}

TEST_P(ProgramsStarted, ByALoopThreadAreEndedBySigtermFromOutside) {
  const auto expected = kill_a_waiting_program();
  EXPECT_EQ(expected.second, SIGTERM) << "the reference";
  LoopThread thread(of_thread());
  EXPECT_EQ(thread.loop().submit(kill_a_waiting_program).get(), expected);
}

// ---- interruptions ---------------------------------------------------------------------------

void do_nothing(int) {}

// While it lives, SIGUSR1 interrupts the waiting system call of the thread it is sent to.
class Interrupting {
 public:
  Interrupting() {
    struct sigaction action = {};
    action.sa_handler = &do_nothing;  // without SA_RESTART
    ::sigaction(SIGUSR1, &action, &before_);
  }
  Interrupting(const Interrupting&) = delete;
  Interrupting& operator=(const Interrupting&) = delete;
  ~Interrupting() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ = {};
};

TEST_P(ThreadSignals, Rel_E7_ThatInterruptALoopThreadLoseNothing) {
  const Interrupting interrupting;
  constexpr int kRounds = 300;
  std::atomic<int> interrupted{0};
  std::atomic<int> posts{0};
  std::atomic<int> timers{0};
  std::atomic<std::uint64_t> events_read{0};
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const OwnedFd reader(ends[0]);
  const OwnedFd writer(ends[1]);
  const OwnedFd event = make_event();
  LoopThread thread(of_thread());
  IOLoop& loop = thread.loop();
  const pid_t id = loop.submit([&] {
    loop.add_handler(
        event.get(),
        [&] {
          eventfd_t count = 0;
          if (eventfd_read(event.get(), &count) == 0) events_read += count;
        },
        Events::kRead);
    return ::gettid();
  }).get();

  std::atomic<bool> end{false};
  std::thread storm([&] {
    while (!end) {
      ::syscall(SYS_tgkill, ::getpid(), id, SIGUSR1);
      std::this_thread::yield();
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    // A callback that waits in the kernel, interrupted any number of times.
    loop.add_callback([&] {
      char byte = 0;
      while (::read(reader.get(), &byte, 1) < 0) {
        EXPECT_EQ(errno, EINTR);
        ++interrupted;
      }
      loop.add_timeout(round % 3 * 100us, [&] { ++timers; });
    });
    loop.add_callback([&] { ++posts; });
    ring(event);
    if (round % 10 == 0) {
      for (const int before = interrupted; interrupted == before;) std::this_thread::yield();
    }
    EXPECT_EQ(::write(writer.get(), "x", 1), 1);
    EXPECT_TRUE(eventually([&] {
      return posts == round && timers == round &&
             events_read == static_cast<std::uint64_t>(round);
    })) << "round " << round;
  }
  end = true;
  storm.join();
  EXPECT_GE(interrupted, kRounds / 10);
  thread.stop();
  EXPECT_EQ(thread.join(), (CloseReport{.handlers_removed = 1}));
}

// The signals end each wait early, and a poller checks for closed descriptors only now and then.
// Needs real time, as that check depends on it.
TEST_P(ThreadSignals, ThatInterruptALoopThreadDoNotHideAClosedDescriptor) {
  const Interrupting interrupting;
  OwnedFd event = make_event();
  std::atomic<pid_t> id{0};
  std::thread runner([&] {
    RecordingLoop loop(options("recording"));
    loop.on_error = [&] { loop.stop(); };
    loop.add_handler(
        event.get(), [] {}, Events::kRead);
    loop.add_callback([&] { loop.add_callback([&] { id = ::gettid(); }); });
    loop.start();
    EXPECT_EQ(loop.errors.size(), 1u);
    id = 0;
  });
  while (id == 0) std::this_thread::yield();
  event.close();
  while (id != 0) {
    ::syscall(SYS_tgkill, ::getpid(), id.load(), SIGUSR1);
    std::this_thread::yield();
  }
  runner.join();
}

// Any thread that does not block a signal may receive one that was sent to the process.
TEST_P(ThreadSignals, SentToTheProcessReachItsHandlersThroughALoopThread) {
  LoopThread thread(of_thread());
  thread.loop().submit([] {}).get();
  const BlockedHere blocked({SIGUSR1});
  std::atomic<int> calls{0};
  thread.loop().submit([&] { thread.loop().add_signal_handler(SIGUSR1, [&] { ++calls; }); }).get();
  for (int i = 1; i <= 50; ++i) {
    ::kill(::getpid(), SIGUSR1);
    EXPECT_TRUE(eventually([&] { return calls == i; }));
  }
}

}  // namespace
}  // namespace zmqloop::testing
