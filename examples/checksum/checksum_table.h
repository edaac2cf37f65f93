// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The program's output, in the format of sha256sum.
//
// Threads: one at a time.
// Errors: none but for memory.

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

// Returns "DIGEST  PATH" for each file, in the order of their paths' bytes. A path that contains a
// backslash, newline or carriage return is escaped, and its line begins with a backslash.
std::string format_table(std::vector<FileDigest> files);

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_CHECKSUM_TABLE_H_
