#include "zmqloop/runtime/delayed_callback.h"

namespace zmqloop {

void DelayedTimer::start() {
  std::shared_ptr<LoopIdentity> loop = loop_for("DelayedCallback::start");
  stop();
  const TimePoint now = loop->loop()->time();
  arm(std::move(loop), Deadline(delay_).from(now));
}

void DelayedTimer::fire() {
  set_running(false);
  call();
}

}  // namespace zmqloop
