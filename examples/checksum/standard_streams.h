// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Standard output and standard error, without stdio's buffers: each write is seen at once, and its
// failure where it happens.
//
// Threads: any; what several threads write is not interleaved by a lock.
// Errors: values.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_

#include <string_view>
#include <system_error>

namespace checksum {

// Makes descriptors 0 to 2 open, and writing to a closed pipe an error instead of the process's
// end. Call it first: a descriptor that was closed when the program began would be given to the
// next socket, and what is printed would be written to that.
void prepare_standard_streams();

// Writes all of `text`; waits where the descriptor is non-blocking.
std::error_code write_all(int fd, std::string_view text);

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_STANDARD_STREAMS_H_
