#include "zmqloop/poller/poller_interface.h"

namespace zmqloop {

Poller::~Poller() = default;

}  // namespace zmqloop
