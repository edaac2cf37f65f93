// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/poller.h"

#include <cerrno>
#include <string>
#include <sys/resource.h>
#include <system_error>

#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

constexpr PollerKind kKinds[] = {PollerKind::kEpoll, PollerKind::kZmqPoll};

TEST(PollerKind, IsKnownByName) {
  EXPECT_EQ(parse_poller_kind("epoll"), PollerKind::kEpoll);
  EXPECT_EQ(parse_poller_kind("zmq_poll"), PollerKind::kZmqPoll);
  for (const PollerKind kind : kKinds) EXPECT_EQ(parse_poller_kind(to_string(kind)), kind);
}

TEST(PollerKind, ListsTheKnownNamesWhenRefusingOne) {
  for (const char* name : {"", "Epoll", "kqueue", "epoll "}) {
    try {
      parse_poller_kind(name);
      FAIL() << "accepted " << name;
    } catch (const std::invalid_argument& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("\"epoll\""), std::string::npos) << text;
      EXPECT_NE(text.find("\"zmq_poll\""), std::string::npos) << text;
      EXPECT_NE(text.find('"' + std::string(name) + '"'), std::string::npos) << text;
    }
  }
}

TEST(MakePoller, MakesEachKind) {
  for (const PollerKind kind : kKinds) {
    const std::unique_ptr<Poller> poller = make_poller(kind);
    EXPECT_EQ(poller->kind(), kind);
    EXPECT_EQ(poller->size(), 0u);
  }
}

TEST(MakePoller, RefusesAnUnknownKind) {
  EXPECT_THROW(make_poller(static_cast<PollerKind>(77)), std::invalid_argument);
}

TEST(MakePoller, Rel_H1_NamesTheCallThatLacksADescriptor) {
  EXPECT_EQ(exit_code_of_child([] {
              // Closed before we look at the error: UBSan's check of its type makes a pipe.
              OwnedFd reserve[2] = {make_event(), make_event()};
              const auto open = static_cast<rlim_t>(make_event().get());
              const rlimit none{open, open};
              if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 20;
              for (const PollerKind kind : kKinds) {
                try {
                  make_poller(kind);
                  return 21;
                } catch (const std::system_error& error) {
                  for (OwnedFd& each : reserve) each.close();
                  if (error.code().value() != EMFILE) return 22;
                  if (std::string(error.what()).find("epoll_create1") == std::string::npos)
                    return 23;
                  for (OwnedFd& each : reserve) each = make_event();
                }
              }
              return 0;
            }),
            0);
}

TEST(MakePoller, LeaksNoDescriptor) {
  const OwnedFd before = make_event();
  for (int i = 0; i < 1'000; ++i) {
    for (const PollerKind kind : kKinds) make_poller(kind);
  }
  const OwnedFd after = make_event();
  EXPECT_EQ(after.get(), before.get() + 1);
}

TEST(ForkedChild, IsRefusedItsParentsPollerAndLeavesItIntact) {
  for (const PollerKind kind : kKinds) {
    std::unique_ptr<Poller> poller = make_poller(kind);
    const OwnedFd event = make_event();
    poller->add(event.get(), Events::kRead, 1);
    EXPECT_EQ(exit_code_of_child([&] {
                try {
                  poller->wait(Duration::zero());
                  return 1;
                } catch (const std::logic_error&) {
                }
                if (!poller->remove(event.get())) return 2;
                poller->close();
                poller.reset();
                return 0;
              }),
              0);
    ring(event);
    EXPECT_EQ(events_of(poll_now(*poller), 1), Events::kRead) << "the child took it out";
  }
}

}  // namespace
}  // namespace zmqloop::testing
