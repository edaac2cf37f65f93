// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs one loop's life, with everything a loop does: posts from itself, from another thread and
// from signal handlers, timers, a descriptor, a ZeroMQ socket, work for a LoopThread and a
// LoopPool.
//
//   Sockets sockets;
//   Life(PollerKind::kEpoll, sockets).run();   // returns when everything has happened exactly once
//
// Threads: the thread that calls run(); functions marked so, signal handlers.
// Owns: the loop and its helpers, until destroyed.
// Errors: Broken if the library breaks a promise; exceptions of the library.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_LIFE_H_
#define ZMQLOOP_TESTS_FAULTS_LIFE_H_

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include <zmq.hpp>

#include "zmqloop/zmqloop.h"

namespace zmqloop::faults {

// Thrown if the library has broken a promise.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The user's descriptor: it is readable after set().
class Event {
 public:
  Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();
  int fd() const { return fd_; }
  void set();

 private:
  const int fd_;
};

// The user's two connected sockets. Signals interrupt even those calls of libzmq that do not wait.
class Sockets {
 public:
  Sockets();
  zmq::socket_t& receiver() { return receiver_; }
  void send_one();
  // Returns false if there is no message, or if a signal came; then the message is still there.
  bool receive_one();
  // Takes the messages that an earlier life may have left.
  void drain();

 private:
  zmq::context_t context_{/*io_threads=*/0};
  zmq::socket_t receiver_{context_, zmq::socket_type::pair};
  zmq::socket_t sender_{context_, zmq::socket_type::pair};
};

// The events that a life waits for, each once.
enum class Awaited : unsigned {
  kOwnPost,
  kPostOfAPost,
  kThreadsPost,
  kSignalPost,
  kRaise,
  kSignal,
  kTimer,
  kDescriptor,
  kSocket,
  kExecutor,
  kLoopThread,
  kLoopPool,
};

class Life {
 public:
  Life(PollerKind poller, Sockets& sockets);
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life();

  void run();

  // ---- signal handler ----

  // Posts to the living loop, if there is one. An accepted post must run or be counted by close().
  static void post_from_signal() noexcept;
  // Calls `tell` with the name of each event that the life still waits for.
  static void for_each_awaited(void (*tell)(const char* name)) noexcept;

 private:
  // A loop whose callbacks' exceptions leave start().
  class Loop : public IOLoop {
   public:
    using IOLoop::IOLoop;
    void handle_callback_exception(std::exception_ptr error) override {
      std::rethrow_exception(std::move(error));
    }
  };

  void arrived(Awaited what);
  void register_handlers();
  void arm_timers();
  void use_signals();
  void hand_work_to(LoopThread& helper, LoopPool& pool);
  void run_with_poster();
  void post_from_thread(std::exception_ptr& failure);
  void end();

  Sockets& sockets_;
  const LoopOptions options_;
  Event event_;
  Loop loop_;
  std::optional<SignalCallback> prepared_;
};

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_LIFE_H_
