// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Writes to standard output and standard error without stdio's buffers: each write is visible at
// once, and reports its own failure.
//
// Threads: any; no lock keeps the writes of several threads apart.
// Errors: values.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_

#include <string_view>
#include <system_error>

namespace checksum {

// Opens each of descriptors 0 to 2 that is closed, and makes writing to a closed pipe an error
// instead of the end of the process. Call it first: otherwise the next socket would get the number
// of a closed descriptor, and our output would go to that socket.
void prepare_standard_streams();

// Writes all of `text`; waits for room if the descriptor is non-blocking.
std::error_code write_all(int fd, std::string_view text);

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_
