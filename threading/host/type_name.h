// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The name of a type as its author wrote it, for messages.
//
// Threads: any.
// Errors: std::bad_alloc.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_TYPE_NAME_H_
#define ZMQLOOP_THREADING_HOST_TYPE_NAME_H_

#include <string>
#include <typeinfo>

namespace zmqloop {

// Returns the demangled name of a type; "unknown" for null.
std::string type_name(const std::type_info* type);

// Returns the demangled form of a mangled name, or the name itself if it cannot be demangled.
std::string demangled(const char* mangled);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_TYPE_NAME_H_
