// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Describes an exception in one line.
//
// Threads: any.
// Errors: std::bad_alloc.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_
#define ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_

#include <exception>
#include <string>

namespace zmqloop {

// Returns "type: text". The text is "not a std::exception" if the exception has none.
std::string exception_text(std::exception_ptr error);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_
