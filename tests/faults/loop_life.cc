// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs a loop's life twice; tools/check_faults injects faults into the first life.
//
//   loop_life [--poller=epoll|zmq_poll] [--pad=THREAD:CALL:TIMES] [--limit=DESCRIPTORS:THREADS]
//             [--spare=COUNT:descriptors | --spare=COUNT:threads | --spare=COUNT:kilobytes]
//
// The second life must be complete even if the first failed: nothing may outlive a fault. SIGUSR1
// posts to the loop at any time. The user's own sockets are made before either life, because libzmq
// may abort in the user's calls.
//
// --pad: see call_counts.h.
// --limit: the descriptors and threads that may be left at the end. Without it, the program prints
// them, and the kilobytes of address space that the first life has used.
// --spare: the descriptors, threads or kilobytes of address space left to the first life.
//
// Exit status: 0 both lives were complete: everything accepted ran, and nothing was missing;
//              2 wrong usage;
//              3 the first life ended with an exception, which is printed with its errno;
//              4 something was lost, left behind or broken afterwards, which is printed;
//              5 a life hung; the events still awaited are printed;
//              6 the limit of threads cannot be set: this takes root, or the right to make a user
//                namespace.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <signal.h>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>

#include "tests/faults/arguments.h"
#include "tests/faults/call_counts.h"
#include "tests/faults/life.h"
#include "tests/faults/process_state.h"
#include "tests/faults/shortage.h"
#include <zmq.hpp>

namespace zmqloop::faults {
namespace {

constexpr unsigned kHungAfterSeconds = 20;

enum Status {
  kComplete = 0,
  kWrongUsage = 2,
  kClearError = 3,
  kBroken = 4,
  kHung = 5,
  kNoLimit = 6
};

void on_interruption(int) {
  const int saved_errno = errno;
  Life::post_from_signal();
  errno = saved_errno;
}

void write_to_stderr(const char* text) {
  static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
}

void on_alarm(int) {
  write_to_stderr("HUNG, still awaited:");
  Life::for_each_awaited([](const char* name) {
    write_to_stderr(" ");
    write_to_stderr(name);
  });
  write_to_stderr("\n");
  ::_exit(kHung);
}

// Installs a handler without SA_RESTART: it interrupts system calls.
void handle(int signum, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  ::sigaction(signum, &action, nullptr);
}

Status say_error(int error, const char* text) {
  std::fprintf(stderr, "error %d: %s\n", error, text);
  return kClearError;
}

Status say_broken(const std::string& what) {
  std::fprintf(stderr, "BROKEN: %s\n", what.c_str());
  return kBroken;
}

Status live(PollerKind poller, Sockets& sockets) {
  try {
    Life(poller, sockets).run();
    return kComplete;
  } catch (const Broken& broken) {
    return say_broken(broken.what());
  } catch (const zmq::error_t& error) {
    return say_error(error.num(), error.what());
  } catch (const std::system_error& error) {
    return say_error(error.code().value(), error.what());
  } catch (const std::bad_alloc& error) {
    return say_error(ENOMEM, error.what());
  } catch (const std::exception& error) {
    return say_error(0, error.what());
  }
}

struct Lives {
  Status status;
  long kilobytes;  // address space used by the first life
};

Lives live_twice(const Arguments& arguments) {
  Sockets sockets;
  std::unique_ptr<Shortage> shortage;
  const long before = kilobytes_used();
  if (arguments.spare) shortage = leave_only(arguments.spare->count, arguments.spare->of);
  begin_thread(0);
  const Status first = live(arguments.poller, sockets);
  mark();
  shortage.reset();
  const long kilobytes = most_kilobytes_used() - before;
  if (first == kBroken) return {kBroken, kilobytes};
  if (live(arguments.poller, sockets) == kComplete) return {first, kilobytes};
  return {say_broken("the life after that failed"), kilobytes};
}

Status run(const Arguments& arguments) {
  ::alarm(kHungAfterSeconds);
  handle(SIGALRM, &on_alarm);
  handle(SIGUSR1, &on_interruption);
  choose(arguments.chosen);
  const bool few_threads = arguments.spare && arguments.spare->of == Scarce::kThreads;
  if (few_threads && !become_the_only_one_of_its_user()) return kNoLimit;
  const auto [status, kilobytes] = live_twice(arguments);
  const ProcessState left = settled(arguments.limit);
  if (!arguments.limit) {
    std::printf("%d:%d %ld\n", left.descriptors, left.threads, kilobytes);
  } else if (!left.within(*arguments.limit)) {
    return say_broken("left behind: " + std::to_string(left.descriptors) + " descriptors and " +
                      std::to_string(left.threads) + " threads: " + kinds_of_descriptors());
  }
  return status;
}

}  // namespace
}  // namespace zmqloop::faults

int main(int count, char** words) {
  namespace faults = zmqloop::faults;
  try {
    const auto all = std::span<char* const>(words, static_cast<std::size_t>(count)).subspan(1);
    return faults::run(faults::read_arguments({all.data(), all.size()}));
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "loop_life: %s\n", error.what());
    return faults::kWrongUsage;
  }
}
