// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// add_signal_handler and remove_signal_handler: the process's signals on the loops' threads.

#include <atomic>
#include <csignal>
#include <cstddef>
#include <map>
#include <memory>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using SimpleHandler = void (*)(int);

SimpleHandler handler_of(int signum) {
  struct sigaction action = {};
  EXPECT_EQ(::sigaction(signum, nullptr, &action), 0);
  return action.sa_handler;
}

class SignalHandlersOnLoops : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(SignalHandlersOnLoops);

TEST_P(SignalHandlersOnLoops, AreCalledOnTheLoopThreadOncePerSignal) {
  std::vector<int> calls;
  loop_.add_signal_handler(SIGUSR1, [&](int signum) {
    EXPECT_TRUE(loop_.in_loop_thread());
    calls.push_back(signum);
  });
  loop_.add_callback([] {
    for (int i = 0; i < 3; ++i) raise(SIGUSR1);
  });
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(calls, (std::vector<int>{SIGUSR1, SIGUSR1, SIGUSR1}));
}

TEST_P(SignalHandlersOnLoops, MayTakeNothingAndOwnAnything) {
  int sum = 0;
  loop_.add_signal_handler(SIGUSR1, [&sum, owned = std::make_unique<int>(5)] { sum += *owned; });
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(sum, 5);
}

TEST_P(SignalHandlersOnLoops, WakeASleepingLoopFromAnotherThreadsSignal) {
  for (int round = 0; round < 100; ++round) {
    loop_.add_signal_handler(SIGUSR1, [&] { loop_.stop(); });
    std::thread sender([] { raise(SIGUSR1); });
    loop_.start();
    sender.join();
  }
}

TEST_P(SignalHandlersOnLoops, AreCalledOnEveryLoopThatHandlesTheSignal) {
  int first = 0;
  int second = 0;
  IOLoop other(options("other"));
  loop_.add_signal_handler(SIGUSR1, [&] { ++first; });
  other.add_signal_handler(SIGUSR1, [&] { ++second; });
  raise(SIGUSR1);
  run_one_iteration();
  other.add_callback([&] { other.stop(); });
  other.start();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);

  EXPECT_TRUE(other.remove_signal_handler(SIGUSR1));
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(first, 2);
}

TEST_P(SignalHandlersOnLoops, ReplaceTheLoopsEarlierHandler) {
  std::vector<std::string> calls;
  bool destroyed = false;
  loop_.add_signal_handler(
      SIGUSR1, [&, guard = AtDestruction([&] { destroyed = true; })] { calls.push_back("first"); });
  loop_.add_signal_handler(SIGUSR1, [&] { calls.push_back("second"); });
  EXPECT_TRUE(destroyed);
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(calls, (std::vector<std::string>{"second"}));
  EXPECT_TRUE(loop_.remove_signal_handler(SIGUSR1));
  EXPECT_FALSE(loop_.remove_signal_handler(SIGUSR1));
}

TEST_P(SignalHandlersOnLoops, Rel_E13_RestoreWhatWasThereBefore) {
  const SimpleHandler before = std::signal(SIGUSR1, SIG_IGN);
  loop_.add_signal_handler(SIGUSR1, [] {});
  {
    IOLoop other(options("other"));
    other.add_signal_handler(SIGUSR1, [] {});
    EXPECT_TRUE(loop_.remove_signal_handler(SIGUSR1));
    EXPECT_NE(handler_of(SIGUSR1), SIG_IGN) << "the other loop still handles it";
  }
  EXPECT_EQ(handler_of(SIGUSR1), SIG_IGN);
  std::signal(SIGUSR1, before);
}

TEST_P(SignalHandlersOnLoops, Rel_E11_ChangeNoSignalButTheirOwn) {
  const auto all = [] {
    std::vector<SimpleHandler> handlers;
    for (int signum = 1; signum < NSIG; ++signum) {
      struct sigaction action = {};
      if (::sigaction(signum, nullptr, &action) == 0) handlers.push_back(action.sa_handler);
    }
    return handlers;
  };
  const std::vector<SimpleHandler> before = all();
  {
    LoopThread thread("elsewhere");
    thread.loop().submit([] {}).get();
    EXPECT_EQ(all(), before) << "a loop alone changes none, SIGPIPE least of all";
    loop_.add_signal_handler(SIGUSR1, [] {});
    EXPECT_NE(all(), before);
    loop_.remove_signal_handler(SIGUSR1);
  }
  EXPECT_EQ(all(), before);
}

// ---- the alternate stack ----

struct sigaction action_of(int signum) {
  struct sigaction action = {};
  EXPECT_EQ(::sigaction(signum, nullptr, &action), 0);
  return action;
}

// Failures: E15
TEST_P(SignalHandlersOnLoops, AreInstalledForTheAlternateStackWhateverTheLibraryInstallsThemFor) {
  std::vector<SimpleHandler> before;
  for (int signum = 1; signum < NSIG; ++signum) {
    struct sigaction action = {};
    before.push_back(::sigaction(signum, nullptr, &action) == 0 ? action.sa_handler : nullptr);
  }
  const std::vector<int> handled = {SIGHUP, SIGINT, SIGUSR1, SIGTERM, SIGCHLD, SIGRTMIN + 1};
  for (const int signum : handled) loop_.add_signal_handler(signum, [] {});
  loop_.set_blocking_signal_threshold(1h);
  std::size_t installed = 0;
  for (int signum = 1; signum < NSIG; ++signum) {
    struct sigaction action = {};
    if (::sigaction(signum, nullptr, &action) != 0) continue;
    if (action.sa_handler == before[static_cast<std::size_t>(signum) - 1]) continue;
    ++installed;
    EXPECT_NE(action.sa_flags & SA_ONSTACK, 0) << signum;
    EXPECT_NE(action.sa_flags & SA_RESTART, 0) << signum;
  }
  EXPECT_GE(installed, handled.size()) << "and SIGURG, if no test before has set a threshold";
  EXPECT_NE(action_of(SIGURG).sa_flags & SA_ONSTACK, 0);
  loop_.add_signal_handler(SIGURG, [] {});
  EXPECT_NE(action_of(SIGURG).sa_flags & SA_ONSTACK, 0);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // they do not support fibres
// A fibre whose stack has no room for a signal handler, on a thread with an alternate stack.
class SmallFibre {
 public:
  static void raise_on(int signum) {
    static char alternate[65'536];
    stack_t stack{};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    EXPECT_EQ(::sigaltstack(&stack, nullptr), 0);
    constexpr std::size_t kPage = 4'096;
    char* const memory =
        static_cast<char*>(::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(::mprotect(memory, kPage, PROT_NONE), 0);
    signum_ = signum;
    ::getcontext(&fibre_);
    fibre_.uc_stack.ss_sp = memory + kPage;
    fibre_.uc_stack.ss_size = 1'024;  // mostly used up by the fibre itself
    fibre_.uc_link = &back_;
    ::makecontext(&fibre_, &SmallFibre::run, 0);
    raise(SIGCONT);  // so that the dynamic linker resolves raise() on the large stack
    ::swapcontext(&back_, &fibre_);
    stack.ss_flags = SS_DISABLE;
    ::sigaltstack(&stack, nullptr);
    ::munmap(memory, 2 * kPage);
  }

 private:
  static void run() { raise(signum_); }

  static inline int signum_ = 0;
  static inline ucontext_t back_;
  static inline ucontext_t fibre_;
};

TEST_P(SignalHandlersOnLoops, AreCalledForASignalThatInterruptsASmallFibre) {
  for (const int signum : {SIGUSR1, SIGURG}) {
    const ChildResult child = run_in_child([&] {
      IOLoop loop(options());
      int calls = 0;
      if (signum == SIGURG) loop.set_blocking_signal_threshold(1h);
      loop.add_signal_handler(signum, [&] {
        ++calls;
        loop.stop();
      });
      std::thread worker([&] { SmallFibre::raise_on(signum); });
      loop.start();
      worker.join();
      loop.close();
      return calls == 1 ? 0 : 1;
    });
    EXPECT_TRUE(child.ok()) << child << ", signal " << signum;
  }
}
#endif

TEST_P(SignalHandlersOnLoops, LeaveAHandlerAloneThatSomebodyInstalledLater) {
  loop_.add_signal_handler(SIGUSR1, [] {});
  const SimpleHandler ours = std::signal(SIGUSR1, SIG_IGN);
  EXPECT_TRUE(loop_.remove_signal_handler(SIGUSR1));
  EXPECT_EQ(handler_of(SIGUSR1), SIG_IGN);
  EXPECT_NE(ours, SIG_IGN);
  std::signal(SIGUSR1, SIG_DFL);
}

TEST_P(SignalHandlersOnLoops, GoWhenTheirLoopCloses) {
  const SimpleHandler before = handler_of(SIGUSR1);
  bool destroyed = false;
  loop_.add_signal_handler(SIGUSR1, [guard = AtDestruction([&] { destroyed = true; })] {});
  raise(SIGUSR1);
  EXPECT_EQ(loop_.close().callbacks_abandoned, 1u) << "the signal that nobody answered";
  EXPECT_TRUE(destroyed);
  EXPECT_EQ(handler_of(SIGUSR1), before);
}

TEST_P(SignalHandlersOnLoops, MayRemoveThemselves) {
  int calls = 0;
  loop_.add_signal_handler(SIGUSR1, [&] {
    ++calls;
    EXPECT_TRUE(loop_.remove_signal_handler(SIGUSR1));
  });
  raise(SIGUSR1);
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(calls, 1) << "a removed handler is not called any more";
}

TEST_P(SignalHandlersOnLoops, ThatThrowLoseNoSignal) {
  int calls = 0;
  loop_.add_signal_handler(SIGUSR1, [&] {
    ++calls;
    throw std::runtime_error("call " + std::to_string(calls));
  });
  for (int i = 0; i < 3; ++i) raise(SIGUSR1);
  for (int i = 0; i < 3; ++i) run_one_iteration();
  EXPECT_EQ(calls, 3);
  ASSERT_EQ(loop_.errors.size(), 3u);
  EXPECT_EQ(loop_.what(2), "call 3");
}

TEST_P(SignalHandlersOnLoops, HandleSeveralSignalsAtOnce) {
  std::map<int, int> calls;
  for (const int signum : {SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGCHLD, SIGRTMIN + 3}) {
    loop_.add_signal_handler(signum, [&](int received) { ++calls[received]; });
  }
  for (const int signum : {SIGUSR1, SIGTERM, SIGRTMIN + 3, SIGTERM}) raise(signum);
  run_one_iteration();
  EXPECT_EQ(calls, (std::map<int, int>{{SIGUSR1, 1}, {SIGTERM, 2}, {SIGRTMIN + 3, 1}}));
}

TEST_P(SignalHandlersOnLoops, Rel_E12_RefuseWhatNoLoopCanHandle) {
  for (const int signum : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, NSIG, 4711}) {
    const std::string message =
        error_of<std::invalid_argument>([&] { loop_.add_signal_handler(signum, [] {}); });
    EXPECT_NE(message.find(std::to_string(signum)), std::string::npos) << message;
  }
  EXPECT_THROW(loop_.add_signal_handler(SIGUSR1, static_cast<void (*)()>(nullptr)),
               std::invalid_argument);
  EXPECT_FALSE(loop_.remove_signal_handler(SIGKILL));
}

TEST_P(SignalHandlersOnLoops, LeaveTheCallableOfARefusedSignalAsItWas) {
  struct Handler {
    std::shared_ptr<int> kept = std::make_shared<int>(1);
    void operator()() const {}
  } handler;
  EXPECT_THROW(loop_.add_signal_handler(SIGKILL, std::move(handler)), std::invalid_argument);
  EXPECT_NE(handler.kept, nullptr);
}

// The C library reserves two signals below SIGRTMIN.
TEST_P(SignalHandlersOnLoops, Rel_E12_RefuseTheSignalsOfTheCLibrary) {
  for (const int signum : {32, 33}) {
    EXPECT_THROW(loop_.add_signal_handler(signum, [] {}), std::exception) << signum;
    EXPECT_FALSE(loop_.remove_signal_handler(signum));
  }
  int calls = 0;
  loop_.add_signal_handler(SIGUSR1, [&] { ++calls; });
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(calls, 1);
}

TEST_P(SignalHandlersOnLoops, RefuseOtherThreadsWhileTheLoopRuns) {
  LoopThread thread("elsewhere");
  thread.loop().submit([] {}).get();
  EXPECT_THROW(thread.loop().add_signal_handler(SIGUSR1, [] {}), std::logic_error);
  EXPECT_THROW(thread.loop().remove_signal_handler(SIGUSR1), std::logic_error);
}

TEST_P(SignalHandlersOnLoops, RefuseAClosedLoop) {
  loop_.close();
  EXPECT_THROW(loop_.add_signal_handler(SIGUSR1, [] {}), LoopClosedError);
  EXPECT_FALSE(loop_.remove_signal_handler(SIGUSR1));
}

TEST_P(SignalHandlersOnLoops, AreTheParentsAloneAfterAFork) {
  loop_.add_signal_handler(SIGTERM, [] {});
  const ChildResult child = run_in_child([] {
    raise(SIGTERM);  // has its default action again: ends the child
    return 0;
  });
  EXPECT_EQ(child.signal, SIGTERM) << child;
}

TEST_P(SignalHandlersOnLoops, WorkInAForkedChildsOwnLoop) {
  loop_.add_signal_handler(SIGTERM, [] {});
  EXPECT_TRUE(run_in_child([] {
                IOLoop loop;
                int calls = 0;
                loop.add_signal_handler(SIGTERM, [&] {
                  ++calls;
                  loop.stop();
                });
                raise(SIGTERM);
                loop.start();
                return calls == 1 ? 0 : 1;
              }).ok());
}

TEST_P(SignalHandlersOnLoops, ComeAndGoWhileSignalsArrive) {
  // Threads raise all the time while a loop adds and removes its handler: the signal handler must
  // never use a destroyed callback.
  const SimpleHandler before = std::signal(SIGUSR1, SIG_IGN);
  std::atomic<bool> end{false};
  std::vector<std::thread> raisers;
  for (int i = 0; i < 2; ++i) {
    raisers.emplace_back([&] {
      while (!end) raise(SIGUSR1);
    });
  }
  std::uint64_t calls = 0;
  for (int round = 0; round < 300; ++round) {
    loop_.add_signal_handler(SIGUSR1, [&] {
      ++calls;
      loop_.stop();
    });
    loop_.start();
    loop_.remove_signal_handler(SIGUSR1);
  }
  end = true;
  for (std::thread& raiser : raisers) raiser.join();
  EXPECT_GE(calls, 300u);
  std::signal(SIGUSR1, before);
}

}  // namespace
}  // namespace zmqloop::testing
