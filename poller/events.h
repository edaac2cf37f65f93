// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The readiness of a descriptor or socket, as a set of bits.
//
//   Events interest = Events::kRead | Events::kWrite;
//   if (any(ready & Events::kRead)) read_some();
//
// The values are those of epoll and of tornado's IOLoop (READ 1, WRITE 4, ERROR 24).
//
// Threads: values; any thread.
// Errors: none here. Poller refuses a set with bits outside kAllEvents.
// Public.

#ifndef ZMQLOOP_POLLER_EVENTS_H_
#define ZMQLOOP_POLLER_EVENTS_H_

#include <string>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

enum class Events : unsigned {
  kNone = 0,
  kRead = 1,
  kWrite = 4,
  // Error or hang-up. Always part of the interest. Both bits always come together: test for it with
  // `any(e & kError)`.
  kError = 24,
};

constexpr Events operator|(Events a, Events b) {
  return static_cast<Events>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

constexpr Events operator&(Events a, Events b) {
  return static_cast<Events>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}

// Every bit that has a meaning.
inline constexpr Events kAllEvents = Events::kRead | Events::kWrite | Events::kError;

// Returns the meaningful bits that are not in `a`, so that `interest & ~kRead` and a bare `~kRead`
// are both sets that a poller accepts.
constexpr Events operator~(Events a) {
  return static_cast<Events>(~static_cast<unsigned>(a) & static_cast<unsigned>(kAllEvents));
}

constexpr Events& operator|=(Events& a, Events b) { return a = a | b; }
constexpr Events& operator&=(Events& a, Events b) { return a = a & b; }

// Returns whether the set holds at least one event.
constexpr bool any(Events events) { return events != Events::kNone; }

// Returns the names of the events, "read|write"; "none" for the empty set; bits without a meaning
// follow in hexadecimal, "read|0x20".
ZMQLOOP_EXPORT std::string to_string(Events events);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_EVENTS_H_
