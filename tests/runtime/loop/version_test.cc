// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The release as numbers, as text and as the library's function: all three agree.

#include "zmqloop/version.h"

#include <string>

#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

TEST(Version, IsTheSameInNumbersAsTextAndInTheLibrary) {
  const std::string numbers = std::to_string(ZMQLOOP_VERSION_MAJOR) + "." +
                              std::to_string(ZMQLOOP_VERSION_MINOR) + "." +
                              std::to_string(ZMQLOOP_VERSION_PATCH);
  EXPECT_EQ(numbers, ZMQLOOP_VERSION_STRING);
  EXPECT_EQ(numbers, version());
}

}  // namespace
}  // namespace zmqloop::testing
