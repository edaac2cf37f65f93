// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What an exception says of itself, in one line.
//
// Threads: any.
// Errors: std::bad_alloc.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_
#define ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_

#include <exception>
#include <string>

namespace zmqloop {

// Returns "type: text"; the text is its what(), if it has one.
std::string exception_text(std::exception_ptr error);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_EXCEPTION_TEXT_H_
