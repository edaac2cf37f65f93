// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/drain_detection.h"

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

// Holds on Linux with a libzmq that signals through eventfds, as every build for Linux does. If
// this fails somewhere, the poller still works there, at the cost of a scan per sleep:
// poller_socket_test.cc tests the same promises both ways.
TEST(DrainDetection, WorksByEdgeHere) {
  EXPECT_EQ(drain_detection(), DrainDetection::kByEdge);
  EXPECT_EQ(drain_detection(), DrainDetection::kByEdge) << "the answer is kept";
}

}  // namespace
}  // namespace zmqloop
