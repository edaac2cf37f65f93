#include "zmqloop/version.h"

namespace zmqloop {

const char* version() noexcept { return ZMQLOOP_VERSION_STRING; }

}  // namespace zmqloop
