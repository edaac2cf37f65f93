// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/drain_detection.h"

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

// On Linux with a libzmq that signals through eventfds, which is every build for Linux. Should this
// fail somewhere, the poller is right there too, at the cost of a scan per sleep; see
// poller_socket_test.cc, which promises the same of both.
TEST(DrainDetection, WorksByEdgeHere) {
  EXPECT_EQ(drain_detection(), DrainDetection::kByEdge);
  EXPECT_EQ(drain_detection(), DrainDetection::kByEdge) << "the answer is kept";
}

}  // namespace
}  // namespace zmqloop
