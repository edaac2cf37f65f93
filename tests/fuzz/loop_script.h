// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls a loop as a fuzzer decides, and checks that the loop keeps its documented promises.
//
// A script is a sequence of calls: posts, timers, handlers, runs, the end. Each callable that it
// has posted, armed or registered continues the script when it is called. So any call can come from
// any place. The expected_... classes track the calls that the loop owes.
//
// Threads: one.
// Errors: a broken promise ends the process (promise.h).

#ifndef ZMQLOOP_TESTS_FUZZ_LOOP_SCRIPT_H_
#define ZMQLOOP_TESTS_FUZZ_LOOP_SCRIPT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "tests/fuzz/expected_handlers.h"
#include "tests/fuzz/expected_posts.h"
#include "tests/fuzz/expected_timers.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/things.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::fuzz {

class LoopScript {
 public:
  LoopScript(PollerKind poller, FuzzInput input);
  LoopScript(const LoopScript&) = delete;
  LoopScript& operator=(const LoopScript&) = delete;

  // Runs the whole script, ends the loop and checks its counts.
  void run();

 private:
  // The action of a callable besides continuing the script.
  enum class Deed : unsigned char { kNothing, kThrow, kEscape, kPostAtEnd, kOpenRun, kCloseRun };
  struct Thrown {};

  class Loop : public IOLoop {
   public:
    Loop(LoopScript& script, Options options) : IOLoop(std::move(options)), script_(script) {}
    void handle_callback_exception(std::exception_ptr error) override;

   private:
    LoopScript& script_;
  };

  // Counts the living callables. The last object in a chain of moves does kPostAtEnd.
  class Life {
   public:
    Life(LoopScript& script, Deed deed) : script_(&script), deed_(deed) { ++script_->alive_; }
    Life(Life&& other) noexcept
        : script_(std::exchange(other.script_, nullptr)), deed_(other.deed_) {}
    Life& operator=(Life&&) = delete;
    ~Life();

   private:
    LoopScript* script_;
    Deed deed_;
  };

  void step();
  void some_steps();
  void do_deed(Deed deed, unsigned run = 0);
  Deed any_deed();

  void post(Deed deed, unsigned run = 0);
  template <class Size>
  void post_with(Size size, Deed deed, unsigned run = 0);
  void post_from_signal();
  void add_timer();
  void remove_timer();
  void add_handler();
  void update_handler();
  void remove_handler();
  void feed_or_drain();
  void close_or_open();
  void stop();
  void run_loop();
  void close();

  void begin_run();
  void end_run(unsigned run);
  void on_timer(unsigned id, Deed deed);
  void on_handler(std::size_t place, unsigned id, Events events, Deed deed);
  void on_exception(std::exception_ptr error);
  void require_counts() const;

  std::size_t any_place() { return input_.below(ExpectedHandlers::kPlaces); }
  Events any_events();
  // Returns the number of a descriptor, or -1 for a socket.
  int descriptor(std::size_t place);
  bool is_reused(std::size_t place);

  FuzzInput input_;
  TimePoint now_{std::chrono::hours(1)};
  std::uint64_t alive_ = 0;
  unsigned next_id_ = 0;

  std::array<std::unique_ptr<Thing>, ExpectedHandlers::kPlaces> things_;
  ExpectedPosts posts_;
  ExpectedPosts signal_posts_;
  ExpectedTimers timers_;
  ExpectedHandlers handlers_;
  std::array<std::uint64_t, ExpectedHandlers::kPlaces>
      drained_in_{};  // the iteration of the last drain or close
  std::vector<std::pair<TimeoutHandle, unsigned>> handles_;

  unsigned runs_ = 0;
  bool closed_ = false;
  bool stopped_ = false;  // something other than its own last post ends the run
  bool escape_ = false;   // the exception being reported leaves start()
  bool in_signal_post_ = false;
  bool in_timer_ = false;
  std::uint64_t thrown_ = 0;
  std::uint64_t reported_ = 0;
  std::uint64_t losses_reported_ = 0;

  Loop loop_;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_LOOP_SCRIPT_H_
