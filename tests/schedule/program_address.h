// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Describes addresses of code and objects for failure reports.

#ifndef ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_
#define ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_

#include <string>

namespace zmqloop::schedule {

// Returns function, file and line, or without binutils' addr2line the offset in the program.
std::string describe_code(const void* code);

// Returns "heap+0x120", or the address if it is not in the heap.
std::string describe_object(const void* object);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_
