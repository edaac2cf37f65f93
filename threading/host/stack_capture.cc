// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/stack_capture.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <memory>
#include <pthread.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <unwind.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "zmqloop/threading/host/backoff.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/semaphore.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::stack_capture {
namespace {

using namespace std::chrono_literals;

// ---- the request and its answer --------------------------------------------------------------

// A request to one thread, with room for the answer. One object serves all captures, one at a time,
// and is never freed. A handler writes only after it has changed the word, generation included,
// from wanted to being answered: a handler that comes late finds another word, and leaves.
struct Request {
  enum class Phase : std::uint64_t { kIdle, kWanted, kBeingAnswered, kAnswered };

  static constexpr int kPhaseBits = 2;
  static Phase phase(std::uint64_t word) { return Phase{word & 3}; }
  static std::uint64_t pack(std::uint64_t generation, Phase phase) {
    return (generation << kPhaseBits) | static_cast<std::uint64_t>(phase);
  }
  static std::uint64_t generation(std::uint64_t word) { return word >> kPhaseBits; }

  bool is(Phase wanted) const noexcept { return phase(word) == wanted; }

  // Shared.
  std::atomic<std::uint32_t> asking_process{0};  // its fork generation while one asks; else 0
  std::atomic<std::uint64_t> word{0};
  std::atomic<pid_t> thread{0};
  Semaphore answered;

  // Used by the holder of the Turn: the process that asked last. A forked child has none of the
  // parent's threads.
  std::uint32_t last_process = 0;

  // Written by the handler that set the word to kBeingAnswered; read after kAnswered.
  std::array<std::uintptr_t, kMostFrames> addresses{};
  std::size_t frames = 0;
  bool stops_in_throw = false;
};

// The start addresses of functions that leave by __builtin_eh_return(). Before they leave, they
// overwrite their caller's saved registers, where the unwind tables point, with those of the
// catching function: beyond such a frame a walk finds garbage, and crashes.
struct ThrowingFunctions {
  static constexpr std::size_t kMost = 12;

  bool contains(std::uintptr_t start) const noexcept {
    return std::find(starts.begin(), starts.begin() + static_cast<std::ptrdiff_t>(count), start) !=
           starts.begin() + static_cast<std::ptrdiff_t>(count);
  }

  std::array<std::uintptr_t, kMost> starts{};
  std::size_t count = 0;
};

// The handler's data. Made once, published complete, and never freed: a handler may be using it.
struct Installation {
  const ThrowingFunctions throwing;
  const struct sigaction previous;  // before ours
  Request request;
  // The action that gets signals that are not ours. hand_on_to() changes it once, because our
  // handler is installed once.
  struct sigaction later = {};
  std::atomic<const struct sigaction*> next{&previous};
};

std::atomic<Installation*> installation{nullptr};
std::atomic<bool> installed{false};

// ---- signal handler --------------------------------------------------------------------------

struct Walk {
  const ThrowingFunctions& throwing;
  std::uintptr_t* addresses;
  std::size_t count = 0;
  bool passed_signal = false;
  bool stops_in_throw = false;
};

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
  Walk& walk = *static_cast<Walk*>(argument);
  int is_exact = 0;  // the frame was interrupted, not left by a call
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &is_exact);
  if (address == 0) return _URC_END_OF_STACK;
  if (is_exact != 0 && !walk.passed_signal) {
    walk.passed_signal = true;
    walk.count = 0;  // drops the frames of the handler and of its entry
  }
  if (walk.count == kMostFrames) return _URC_END_OF_STACK;
  // A return address may already be in the next function: one less is in the call.
  walk.addresses[walk.count++] = is_exact != 0 ? address : address - 1;
  walk.stops_in_throw = walk.throwing.contains(_Unwind_GetRegionStart(context));
  return walk.stops_in_throw ? _URC_END_OF_STACK : _URC_NO_REASON;
}

void walk_stack(Walk& walk) noexcept { _Unwind_Backtrace(&note_frame, &walk); }

// Answers the request if it is for this thread. The sender of the signal does not matter: while one
// signal is pending, ours is not queued beside it.
void answer(Request& request, const ThrowingFunctions& throwing) noexcept {
  using Phase = Request::Phase;
  std::uint64_t word = request.word;
  if (Request::phase(word) != Phase::kWanted) return;
  if (request.thread != current_thread_id()) return;
  const std::uint64_t generation = Request::generation(word);
  if (!request.word.compare_exchange_strong(word,
                                            Request::pack(generation, Phase::kBeingAnswered))) {
    return;
  }
  Walk walk = {throwing, request.addresses.data()};
  walk_stack(walk);
  request.frames = walk.count;
  request.stops_in_throw = walk.stops_in_throw;
  request.word = Request::pack(generation, Phase::kAnswered);
  request.answered.post();
}

bool is_ours(const siginfo_t& info) noexcept {
  return info.si_code == SI_QUEUE && info.si_value.sival_ptr == &installation;
}

void forward(const struct sigaction& to, int signal, siginfo_t* info, void* context) {
  if ((to.sa_flags & SA_SIGINFO) != 0) {
    to.sa_sigaction(signal, info, context);
  } else if (to.sa_handler != SIG_DFL && to.sa_handler != SIG_IGN) {
    to.sa_handler(signal);
  }
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int errno_before = errno;
  if (!stack_capture::answer(*info)) {
    forward(*installation.load()->next, signal, info, context);
  }
  errno = errno_before;
}

// ---- installing ------------------------------------------------------------------------------

// A program may have the unwinder twice, in itself and in a shared library. And in a program that
// is not position-independent, the address of a library's function is that of a stub.
ThrowingFunctions find_throwing_functions() {
  ThrowingFunctions found;
  const auto add = [&found](void* function) {
    if (function == nullptr) return;
    // The lookup is for the byte before its argument, so we add one.
    void* const start = _Unwind_FindEnclosingFunction(static_cast<char*>(function) + 1);
    const auto address = reinterpret_cast<std::uintptr_t>(start);
    if (start != nullptr && !found.contains(address)) found.starts[found.count++] = address;
  };
  add(reinterpret_cast<void*>(&_Unwind_RaiseException));
  add(reinterpret_cast<void*>(&_Unwind_Resume));
  add(reinterpret_cast<void*>(&_Unwind_Resume_or_Rethrow));
  add(reinterpret_cast<void*>(&_Unwind_ForcedUnwind));
  for (const char* name : {"_Unwind_RaiseException", "_Unwind_Resume", "_Unwind_Resume_or_Rethrow",
                           "_Unwind_ForcedUnwind"}) {
    add(::dlsym(RTLD_DEFAULT, name));
    add(::dlsym(RTLD_NEXT, name));
  }
  return found;
}

// ---- asking ----------------------------------------------------------------------------------

bool is_our_handler(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_signal;
}

// Returns our action. It forwards to `next`, so it has the flag and mask that `next` relies on.
struct sigaction action_before(const struct sigaction& next) {
  const bool is_handler = (next.sa_flags & SA_SIGINFO) != 0 ||
                          (next.sa_handler != SIG_DFL && next.sa_handler != SIG_IGN);
  struct sigaction ours = {};
  ours.sa_sigaction = &on_signal;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (is_handler ? next.sa_flags & SA_RESTART : SA_RESTART);
  if (is_handler) ours.sa_mask = next.sa_mask;
  return ours;
}

struct sigaction current_action() {
  struct sigaction action = {};
  if (::sigaction(kSignal, nullptr, &action) != 0) {
    throw std::system_error(errno, std::generic_category(), "looking at the handler of SIGURG");
  }
  return action;
}

bool send_signal(pid_t thread) noexcept {
  siginfo_t info = {};
  info.si_signo = kSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_ptr = &installation;
  return ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, kSignal, &info) == 0;
}

// The right to use the request. If a parent process held it at the fork, it is free in the child.
class Turn {
 public:
  Turn(Request& request, TimePoint deadline) : request_(request) {
    for (Backoff backoff; !(taken_ = try_take()) && Clock::now() < deadline;) backoff.step();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (taken_) request_.asking_process = 0;
  }

  bool taken() const { return taken_; }

 private:
  bool try_take() {
    std::uint32_t holder = request_.asking_process;
    if (holder == fork_generation()) return false;
    return request_.asking_process.compare_exchange_strong(holder, fork_generation());
  }

  Request& request_;
  bool taken_ = false;
};

std::string status_of(pid_t thread, const char* field) {
  std::ifstream status(absl::StrCat("/proc/self/task/", thread, "/status"));
  const std::string start = absl::StrCat(field, ":");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(start, 0) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t", start.size());
    return value == std::string::npos ? "" : line.substr(value);
  }
  return {};
}

bool blocks_signal(pid_t thread) {
  const unsigned long long mask = std::strtoull(status_of(thread, "SigBlk").c_str(), nullptr, 16);
  return (mask >> (kSignal - 1) & 1) != 0;
}

// Returns why a thread cannot answer soon; empty if nothing prevents it. (A thread that is ready to
// run may be in the handler, where the signal is blocked, and wait for a core.)
std::string obstacle(pid_t thread) {
  const std::string state = status_of(thread, "State");
  if (state.empty()) return "its thread has ended";
  if (state[0] == 'R') return {};
  if (blocks_signal(thread)) return "its thread blocks SIGURG";
  if (std::string("DTt").find(state[0]) == std::string::npos) return {};
  return absl::StrCat("its thread is in state ", state);
}

std::string why_no_answer(pid_t thread, Duration patience) {
  const std::string reason = obstacle(thread);
  if (!reason.empty()) return reason;
  if (blocks_signal(thread)) return "its thread blocks SIGURG";
  if (!is_our_handler(current_action())) return "another handler of SIGURG took the place of ours";
  return absl::StrCat("its thread did not answer within ",
                      std::chrono::duration_cast<std::chrono::milliseconds>(patience).count(),
                      " ms");
}

// Waits for the answer. Returns false at the deadline, or if the thread could not answer at two
// consecutive looks. (Once may be chance: the C library blocks all signals for moments.)
bool wait_for_answer(Request& request, TimePoint deadline) {
  constexpr Duration kBetweenLooks = 50ms;
  int obstacles = 0;
  while (!request.is(Request::Phase::kAnswered)) {
    const TimePoint now = Clock::now();
    if (now >= deadline || obstacles == 2) return false;
    if (request.answered.wait_until(std::min(deadline, saturating_add(now, kBetweenLooks))))
      continue;
    obstacles = obstacle(request.thread).empty() ? 0 : obstacles + 1;
  }
  return true;
}

// Withdraws the request. Returns false if it is being answered, or was, after all.
bool withdraw(Request& request, std::uint64_t wanted) {
  return request.word.compare_exchange_strong(
      wanted, Request::pack(Request::generation(wanted), Request::Phase::kIdle));
}

Taken answer_of(const Request& request) {
  const auto first = request.addresses.begin();
  Taken taken{{first, first + static_cast<std::ptrdiff_t>(request.frames)}, {}};
  if (taken.addresses.empty()) taken.failure = "its stack could not be walked";
  return taken;
}

// Asks once.
Taken ask(Request& request, pid_t thread, Duration patience, TimePoint deadline) {
  const std::uint64_t wanted =
      Request::pack(Request::generation(request.word) + 1, Request::Phase::kWanted);
  request.thread = thread;
  request.word = wanted;
  if (!send_signal(thread)) {
    const int error = errno;
    withdraw(request, wanted);
    return {{},
            error == ESRCH ? "its thread has ended"
                           : "sending SIGURG: " + std::generic_category().message(error)};
  }
  if (wait_for_answer(request, deadline)) return answer_of(request);
  const std::string reason = why_no_answer(thread, patience);
  if (withdraw(request, wanted)) return {{}, reason};
  if (wait_for_answer(request, saturating_add(Clock::now(), 100ms))) return answer_of(request);
  return {{}, "its thread was held up while it wrote its stack down"};
}

}  // namespace

void install() {
  if (installed) return;
  std::unique_ptr<Installation> fresh(
      new Installation{find_throwing_functions(), current_action(), {}});
  if (is_our_handler(fresh->previous)) return;  // another thread was faster
  Installation* first = nullptr;
  if (installation.compare_exchange_strong(first, fresh.get())) first = fresh.release();

  std::array<std::uintptr_t, kMostFrames> addresses;
  Walk walk = {first->throwing, addresses.data()};
  walk_stack(walk);  // lets the unwinder initialize itself here, not in a handler
  const struct sigaction ours = action_before(first->previous);
  if (::sigaction(kSignal, &ours, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "installing a handler of SIGURG");
  }
  installed = true;
}

void hand_on_to(const struct sigaction& next, SignalHandler instead_of) noexcept {
  Installation* const used = installation;
  if (used == nullptr) return;
  const struct sigaction& now = *used->next;
  if ((now.sa_flags & SA_SIGINFO) == 0 || now.sa_sigaction != instead_of) return;
  used->later = next;
  used->next = &used->later;
  struct sigaction current = {};
  const struct sigaction ours = action_before(next);
  if (::sigaction(kSignal, nullptr, &current) != 0 || !is_our_handler(current)) return;
  ::sigaction(kSignal, &ours, nullptr);
}

bool answer(const siginfo_t& info) noexcept {
  Installation* const used = installation;
  if (used == nullptr) return false;
  const int errno_before = errno;
  answer(used->request, used->throwing);
  errno = errno_before;
  return is_ours(info);
}

Taken take(pid_t thread, Duration patience) {
  if (installation == nullptr) return {{}, "stack_capture::install() was not called"};
  Request* const request = &installation.load()->request;
  const TimePoint deadline = saturating_add(Clock::now(), patience);
  const Turn turn(*request, deadline);
  if (!turn.taken()) return {{}, "the stack of another thread is being taken"};
  const bool is_first =
      std::exchange(request->last_process, fork_generation()) != fork_generation();
  if (request->is(Request::Phase::kBeingAnswered) && !is_first) {
    return {{}, "an earlier request is being answered"};
  }
  // Even a thread that only throws and catches is outside of a throw some of the time. Asked again
  // at once, it would be where it was.
  constexpr int kMostAttempts = 50;
  constexpr auto kBetweenAttempts = 100us;
  for (int attempt = 1;; ++attempt) {
    Taken taken = ask(*request, thread, patience, deadline);
    const bool is_cut = !taken.addresses.empty() && request->stops_in_throw;
    if (!is_cut || attempt == kMostAttempts || Clock::now() >= deadline) return taken;
    std::this_thread::sleep_for(kBetweenAttempts);
  }
}

bool unblock_here() noexcept {
  sigset_t signals;
  sigset_t before;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, kSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, &before);
  return ::sigismember(&before, kSignal) == 1;
}

void block_here() noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, kSignal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace zmqloop::stack_capture
