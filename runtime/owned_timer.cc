#include "zmqloop/runtime/owned_timer.h"

#include <string>

#include "zmqloop/runtime/errors.h"

namespace zmqloop {

OwnedTimer::OwnedTimer(IOLoop* loop) : chosen_(loop == nullptr ? nullptr : loop->identity()) {}

std::shared_ptr<LoopIdentity> OwnedTimer::loop_for(const char* operation) const {
  if (chosen_ == nullptr) return IOLoop::current().identity();
  if (chosen_->loop() == nullptr) {
    throw LoopClosedError(std::string(operation) + ": the loop it was made for is destroyed");
  }
  return chosen_;
}

IOLoop* OwnedTimer::open_loop() const noexcept {
  IOLoop* const loop = started_on_ == nullptr ? nullptr : started_on_->loop();
  return loop == nullptr || loop->is_closed() ? nullptr : loop;
}

// Writes the loop only if it is another one: a timer that arms itself again on the loop's thread
// must not race with an owner that reads here, in abandon(), which loop to tell.
void OwnedTimer::arm(std::shared_ptr<LoopIdentity> loop, TimePoint deadline) {
  timer_ = add_timer(*loop->loop(), deadline);
  if (started_on_ != loop) started_on_ = std::move(loop);
  running_ = true;
}

// Removes a timer that has fired, for the sake of the check.
void OwnedTimer::check_thread() const {
  if (IOLoop* const loop = open_loop()) loop->remove_timeout(timer_);
}

void OwnedTimer::stop() {
  // A loop that is closed or destroyed has no timers, and is not to be touched.
  if (IOLoop* const loop = open_loop()) loop->remove_timeout(timer_);
  running_ = false;
}

void OwnedTimer::abandon() noexcept {
  try {
    IOLoop* const loop = open_loop();
    if (loop != nullptr && loop->is_running() && !loop->in_loop_thread()) {
      static_cast<void>(loop->add_callback([self = shared_from_this()] { self->stop(); }));
    } else {
      stop();
    }
  } catch (...) {
    // Another thread closes the loop, and with it the timer; or there is no memory left to post.
  }
}

}  // namespace zmqloop
