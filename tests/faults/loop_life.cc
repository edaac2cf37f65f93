// Lives a loop's life twice, for tools/check_faults to put faults into the first.
//
//   loop_life [--poller=epoll|zmq_poll] [--pad=THREAD:CALL:TIMES] [--spare=DESCRIPTORS]
//             [--limit=DESCRIPTORS:THREADS]
//
// The second has to be complete whatever became of the first: nothing may outlive a fault. SIGUSR1
// posts to the loop, whenever it comes. The user's own sockets are made before either life: in the
// user's calls libzmq aborts as it likes.
//
// --pad: see call_counts.h. --spare: how many descriptors are left to the first life. --limit: what
// may be open at the end; without it, that is printed.
//
// Exit status: 0 both lives were complete: all that was accepted ran, and was all there should be;
//              2 wrong usage;
//              3 the first ended with an exception, which is printed with its errno;
//              4 something got lost, was left behind or did not work afterwards, which is printed;
//              5 it hung: what was still awaited is printed.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "tests/faults/call_counts.h"
#include "tests/faults/life.h"
#include "tests/faults/process_state.h"
#include <zmq.hpp>

namespace zmqloop::faults {
namespace {

constexpr unsigned kHungAfterSeconds = 20;

enum Status { kComplete = 0, kWrongUsage = 2, kClearError = 3, kBroken = 4, kHung = 5 };

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

// Without SA_RESTART: system calls are interrupted.
void handle(int signum, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  ::sigaction(signum, &action, nullptr);
}

// While it exists, only so many descriptors can be opened.
class FewDescriptors {
 public:
  explicit FewDescriptors(int spare) {
    constexpr rlim_t kLimit = 256;
    const rlimit limit{kLimit, kLimit};
    ::setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = ::dup(STDERR_FILENO); fd >= 0; fd = ::dup(STDERR_FILENO)) held_.push_back(fd);
    for (; spare > 0 && !held_.empty(); --spare) release_one();
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() {
    while (!held_.empty()) release_one();
  }

 private:
  void release_one() {
    ::close(held_.back());
    held_.pop_back();
  }
  std::vector<int> held_;
};

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

struct Arguments {
  PollerKind poller = PollerKind::kEpoll;
  ChosenThread chosen;
  std::optional<int> spare;
  std::optional<ProcessState> limit;
};

void parse(const std::string& word, Arguments& into) {
  const std::string poller = "--poller=";
  ChosenThread chosen;
  ProcessState limit;
  int spare = 0;
  if (word.starts_with(poller)) {
    into.poller = parse_poller_kind(word.substr(poller.size()));
  } else if (std::sscanf(word.c_str(), "--pad=%d:%ld:%d", &chosen.thread, &chosen.call,
                         &chosen.times) == 3) {
    into.chosen = chosen;
  } else if (std::sscanf(word.c_str(), "--spare=%d", &spare) == 1) {
    into.spare = spare;
  } else if (std::sscanf(word.c_str(), "--limit=%d:%d", &limit.descriptors, &limit.threads) == 2) {
    into.limit = limit;
  } else {
    throw std::invalid_argument("unknown argument " + word);
  }
}

Status live_twice(const Arguments& arguments) {
  Sockets sockets;
  std::optional<FewDescriptors> few;
  if (arguments.spare) few.emplace(*arguments.spare);
  begin_thread(0);
  const Status first = live(arguments.poller, sockets);
  mark();
  few.reset();
  if (first == kBroken) return kBroken;
  return live(arguments.poller, sockets) == kComplete ? first
                                                      : say_broken("the life after that failed");
}

Status run(const Arguments& arguments) {
  ::alarm(kHungAfterSeconds);
  handle(SIGALRM, &on_alarm);
  handle(SIGUSR1, &on_interruption);
  choose(arguments.chosen);
  const Status status = live_twice(arguments);
  const ProcessState left = settled(arguments.limit);
  if (!arguments.limit) {
    std::printf("%d:%d\n", left.descriptors, left.threads);
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
    faults::Arguments arguments;
    for (int i = 1; i < count; ++i) faults::parse(words[i], arguments);
    return faults::run(arguments);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "loop_life: %s\n", error.what());
    return faults::kWrongUsage;
  }
}
