// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The program's output, in the format of sha256sum.
//
// Threads: one at a time.
// Errors: only std::bad_alloc.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_TABLE_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_TABLE_H_

#include <string>
#include <vector>

#include "examples/checksum/sha256.h"

namespace checksum {

struct FileDigest {
  std::string path;
  Sha256Digest digest;
};

// Returns a line "DIGEST  PATH" for each file, sorted by the bytes of the paths. A path with a
// backslash, newline or carriage return is escaped, and its line begins with a backslash.
std::string format_table(std::vector<FileDigest> files);

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_TABLE_H_
