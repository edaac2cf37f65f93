// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs one suite of promises on every poller.

#ifndef ZMQLOOP_TESTS_SUPPORT_POLLER_BACKENDS_H_
#define ZMQLOOP_TESTS_SUPPORT_POLLER_BACKENDS_H_

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "zmqloop/poller/epoll_poller.h"
#include "zmqloop/poller/poller.h"

namespace zmqloop::testing {

enum class Backend { kEpoll, kEpollByEdge, kEpollByScan, kZmqPoll };

inline std::unique_ptr<Poller> make_backend(Backend backend) {
  switch (backend) {
    case Backend::kEpollByEdge:
      return std::make_unique<EpollPoller>(DrainDetection::kByEdge);
    case Backend::kEpollByScan:
      return std::make_unique<EpollPoller>(DrainDetection::kByScan);
    case Backend::kZmqPoll:
      return make_poller(PollerKind::kZmqPoll);
    case Backend::kEpoll:
      break;
  }
  return make_poller(PollerKind::kEpoll);
}

inline std::string backend_name(const ::testing::TestParamInfo<Backend>& info) {
  switch (info.param) {
    case Backend::kEpollByEdge:
      return "EpollByEdge";
    case Backend::kEpollByScan:
      return "EpollByScan";
    case Backend::kZmqPoll:
      return "ZmqPoll";
    case Backend::kEpoll:
      break;
  }
  return "Epoll";
}

// Tests of a poller's promises derive from this; each runs on every backend.
class OnEveryBackend : public ::testing::TestWithParam<Backend> {
 protected:
  std::unique_ptr<Poller> poller_ = make_backend(GetParam());
};

}  // namespace zmqloop::testing

// Runs a suite on every backend.
#define ZMQLOOP_ON_EVERY_BACKEND(suite)                                                 \
  INSTANTIATE_TEST_SUITE_P(Backends, suite,                                             \
                           ::testing::Values(::zmqloop::testing::Backend::kEpoll,       \
                                             ::zmqloop::testing::Backend::kEpollByEdge, \
                                             ::zmqloop::testing::Backend::kEpollByScan, \
                                             ::zmqloop::testing::Backend::kZmqPoll),    \
                           ::zmqloop::testing::backend_name)

#endif  // ZMQLOOP_TESTS_SUPPORT_POLLER_BACKENDS_H_
