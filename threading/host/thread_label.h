// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Names threads for error messages.
//
// Threads: any.
// Errors: only std::bad_alloc, from the functions that return a std::string.
// Public.

#ifndef ZMQLOOP_THREADING_HOST_THREAD_LABEL_H_
#define ZMQLOOP_THREADING_HOST_THREAD_LABEL_H_

#include <array>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Returns "thread 1234 (name)" for the calling thread: its native id, as in ps and /proc, and its
// name.
ZMQLOOP_EXPORT std::string current_thread_label();

// The same, NUL-terminated, for code that must not allocate.
using ThreadLabel = std::array<char, 48>;
ZMQLOOP_EXPORT ThreadLabel fixed_thread_label() noexcept;

// Returns the calling thread's native id.
ZMQLOOP_EXPORT pid_t current_thread_id();

// Shortens a thread name to the 15 bytes the kernel keeps. A trailing number survives, because it
// tells the threads of a group apart: "telemetry-worker-12" becomes "telemetry-wo-12". No UTF-8
// character is cut.
ZMQLOOP_EXPORT std::string shorten_thread_name(std::string_view name);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_THREAD_LABEL_H_
