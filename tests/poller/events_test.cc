// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/events.h"

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

TEST(Events, HasTheValuesOfTornadosIOLoop) {
  EXPECT_EQ(static_cast<unsigned>(Events::kNone), 0u);
  EXPECT_EQ(static_cast<unsigned>(Events::kRead), 1u);
  EXPECT_EQ(static_cast<unsigned>(Events::kWrite), 4u);
  EXPECT_EQ(static_cast<unsigned>(Events::kError), 24u);
}

TEST(Events, CombinesAsASet) {
  constexpr Events both = Events::kRead | Events::kWrite;
  static_assert(any(both & Events::kRead));
  static_assert(!any(both & Events::kError));
  static_assert((both & ~Events::kRead) == Events::kWrite);
  Events events = Events::kRead;
  events |= Events::kError;
  EXPECT_EQ(events, Events::kRead | Events::kError);
  events &= Events::kError;
  EXPECT_EQ(events, Events::kError);
}

TEST(Events, ComplementStaysWithinTheKnownBits) {
  EXPECT_EQ(~Events::kNone, kAllEvents);
  EXPECT_EQ(~kAllEvents, Events::kNone);
}

TEST(Events, AreWrittenByName) {
  EXPECT_EQ(to_string(Events::kNone), "none");
  EXPECT_EQ(to_string(Events::kRead), "read");
  EXPECT_EQ(to_string(Events::kRead | Events::kWrite), "read|write");
  EXPECT_EQ(to_string(kAllEvents), "read|write|error");
  EXPECT_EQ(to_string(static_cast<Events>(0x20)), "0x20");
  EXPECT_EQ(to_string(static_cast<Events>(0x21)), "read|0x20");
}

}  // namespace
}  // namespace zmqloop
