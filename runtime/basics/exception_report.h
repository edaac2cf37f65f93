// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The default report of an exception that a callable on a loop has thrown.
//
// Threads: any.
// Errors: none; a report that cannot be written is lost.
// Internal: see IOLoop::handle_callback_exception().

#ifndef ZMQLOOP_RUNTIME_BASICS_EXCEPTION_REPORT_H_
#define ZMQLOOP_RUNTIME_BASICS_EXCEPTION_REPORT_H_

#include <cstdint>
#include <exception>
#include <string_view>
#include <typeinfo>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Writes a line to standard error: loop, type of the callable if known, exception, and how many
// more exceptions were not reported. Takes no lock, not even that of stdio: its holder may be stuck
// in a write.
ZMQLOOP_EXPORT void report_exception(std::string_view loop_name, const std::type_info* callable,
                                     std::exception_ptr error,
                                     std::uint64_t suppressed = 0) noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_EXCEPTION_REPORT_H_
