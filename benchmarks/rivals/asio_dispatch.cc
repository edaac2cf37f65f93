// asio as a contender: an io_context run by one thread, and asio::post().
//
// Concurrency hint 1 says that one thread runs it, so that posts from there skip the lock and the
// wake-up; posts from other threads remain allowed.

#include "benchmarks/contender.h"
#include "benchmarks/rivals/on_thread.h"
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace zmqloop::bench {
namespace {

class AsioLoop {
 public:
  void run() { context_.run(); }
  void stop() { context_.stop(); }

  template <class F>
  void post(const F& f) {
    asio::post(context_, f);
  }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ =
      asio::make_work_guard(context_);
};

const Registration kRegistration(make_contender<OnThread<AsioLoop>>("asio"));

}  // namespace
}  // namespace zmqloop::bench
