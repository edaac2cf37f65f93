// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What an address means to a reader.

#ifndef ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_
#define ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_

#include <string>

namespace zmqloop::schedule {

// Returns function, file and line, if binutils' addr2line is there; else the offset in the program.
std::string describe_code(const void* code);

// Returns "heap+0x120", or the address.
std::string describe_object(const void* object);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_PROGRAM_ADDRESS_H_
