// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/pollable.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <type_traits>
#include <unordered_set>

#include "tests/support/zmq_fixture.h"
#include <absl/container/flat_hash_set.h>

namespace zmqloop::testing {
namespace {

static_assert(sizeof(Pollable) <= 24);
static_assert(std::is_trivially_copyable_v<Pollable>);
static_assert(std::is_convertible_v<int, Pollable>);
static_assert(std::is_convertible_v<zmq::socket_ref, Pollable>);
static_assert(std::is_convertible_v<zmq::socket_t&, Pollable>);
static_assert(std::is_convertible_v<OwnedFd&, Pollable>);
static_assert(!std::is_convertible_v<zmq::socket_t, Pollable>, "it would be closed at once");

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(Pollable, NamesADescriptor) {
  const Pollable pollable = 7;
  EXPECT_FALSE(pollable.is_socket());
  EXPECT_EQ(pollable.fd(), 7);
  EXPECT_EQ(pollable.socket().handle(), nullptr);
  EXPECT_EQ(pollable.describe(), "fd 7");
}

TEST(Pollable, TakesTheDescriptorOfAnObject) {
  const OwnedFd event = make_event();
  EXPECT_EQ(Pollable(event), Pollable(event.get()));
}

TEST(Pollable, NamesASocketHoweverItIsGiven) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pull);
  const Pollable by_object = socket;
  const Pollable by_reference = zmq::socket_ref(socket);
  EXPECT_TRUE(by_object.is_socket());
  EXPECT_EQ(by_object, by_reference);
  EXPECT_EQ(by_object.socket().handle(), socket.handle());
  EXPECT_EQ(by_object.fd(), socket.get(zmq::sockopt::fd));
  EXPECT_EQ(by_object.describe().find("PULL socket 0x"), 0u) << by_object.describe();
}

TEST(Pollable, IsNeverEqualToTheDescriptorOfItsSocket) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pull);
  EXPECT_FALSE(Pollable(socket) == Pollable(socket.get(zmq::sockopt::fd)));
  EXPECT_FALSE(Pollable(zmq::socket_ref()) == Pollable(-1));
}

TEST(Pollable, HashesAsItCompares) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pull);
  const absl::flat_hash_set<Pollable> absl_set = {1, 2, socket, zmq::socket_ref(socket)};
  const std::unordered_set<Pollable> std_set = {1, 2, socket, zmq::socket_ref(socket)};
  EXPECT_EQ(absl_set.size(), 3u);
  EXPECT_EQ(std_set.size(), 3u);
  EXPECT_TRUE(absl_set.contains(zmq::socket_ref(socket)));
  EXPECT_TRUE(std_set.contains(2));
}

TEST(Pollable, IsAValueAlsoWhenItNamesNothing) {
  EXPECT_FALSE(Pollable(-1).is_valid());
  EXPECT_FALSE(Pollable(zmq::socket_ref()).is_valid());
  EXPECT_FALSE(Pollable(OwnedFd()).is_valid());
  EXPECT_EQ(Pollable(zmq::socket_ref()).fd(), -1);
  EXPECT_EQ(Pollable(zmq::socket_ref()).describe(), "null socket");
  Pollable(-1).close();
  Pollable(zmq::socket_ref()).close();
}

TEST(Pollable, ClosesADescriptor) {
  OwnedFd event = make_event();
  Pollable(event).close();
  EXPECT_FALSE(is_open(event.get()));
  event.release();
}

TEST(Pollable, ClosesASocketThroughItsObject) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pull);
  const Pollable pollable = socket;
  pollable.close();
  EXPECT_EQ(socket.handle(), nullptr);
  pollable.close();  // the object holds nothing any more
}

TEST(Pollable, DoesNotCloseAnotherSocketThatItsObjectHoldsByNow) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pull);
  const Pollable first = socket;
  zmq::socket_t moved = std::move(socket);
  socket = zmq::socket_t(context, zmq::socket_type::push);
  first.close();
  EXPECT_NE(socket.handle(), nullptr);
  EXPECT_EQ(moved.get(zmq::sockopt::type), ZMQ_PULL) << "still open";
}

TEST(Pollable, ClosesASocketGivenByReference) {
  zmq::context_t context;
  void* const handle = zmq_socket(context.handle(), ZMQ_PULL);
  ASSERT_NE(handle, nullptr);
  Pollable(zmq::socket_ref(zmq::from_handle, handle)).close();
  context.close();  // would wait for ever for a socket that is open
}

}  // namespace
}  // namespace zmqloop::testing
