// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The version of zmqloop: of the headers as macros, and of the linked library as a function.
//
//   if (std::strcmp(zmqloop::version(), ZMQLOOP_VERSION_STRING) != 0) std::abort();  // a mismatch
//
// The numbers are written only here: CMakeLists.txt reads them.
//
// Threads: any.
// Errors: none.
// Public.

#ifndef ZMQLOOP_VERSION_H_
#define ZMQLOOP_VERSION_H_

#include "zmqloop/threading/host/export.h"

#define ZMQLOOP_VERSION_MAJOR 0
#define ZMQLOOP_VERSION_MINOR 1
#define ZMQLOOP_VERSION_PATCH 0

// "MAJOR.MINOR.PATCH".
#define ZMQLOOP_VERSION_STRING                \
  ZMQLOOP_VERSION_TEXT(ZMQLOOP_VERSION_MAJOR) \
  "." ZMQLOOP_VERSION_TEXT(ZMQLOOP_VERSION_MINOR) "." ZMQLOOP_VERSION_TEXT(ZMQLOOP_VERSION_PATCH)
#define ZMQLOOP_VERSION_TEXT(number) ZMQLOOP_VERSION_TEXT_(number)
#define ZMQLOOP_VERSION_TEXT_(number) #number

namespace zmqloop {

// Returns ZMQLOOP_VERSION_STRING of the headers that the library was built with. It differs from
// the caller's own if the program was compiled against one release and runs with another.
ZMQLOOP_EXPORT const char* version() noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_VERSION_H_
