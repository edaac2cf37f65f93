// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/version.h"

namespace zmqloop {

const char* version() noexcept { return ZMQLOOP_VERSION_STRING; }

}  // namespace zmqloop
