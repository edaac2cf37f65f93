// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/registration_table.h"

#include <gtest/gtest.h>

#include "zmqloop/poller/poller_interface.h"

namespace zmqloop {
namespace {

RegistrationId insert(RegistrationTable& table, int fd, std::uint64_t token = 0) {
  table.reserve_one();
  const RegistrationId announced = table.next_id();
  const RegistrationId id = table.insert(fd, fd, Events::kRead, 1, token);
  EXPECT_EQ(id, announced);
  return id;
}

TEST(RegistrationTable, FindsBySlotByPollableAndByDescriptor) {
  RegistrationTable table;
  const RegistrationId id = insert(table, 5, 77);
  ASSERT_NE(table.get(id), nullptr);
  EXPECT_EQ(table.get(id)->token, 77u);
  EXPECT_EQ(table.find(5), table.get(id));
  EXPECT_EQ(table.find_descriptor(5), table.get(id));
  EXPECT_EQ(table.find(6), nullptr);
  EXPECT_EQ(table.id_of(*table.get(id)), id);
}

TEST(RegistrationTable, AnIdThatOutlivesItsRegistrationFindsNothing) {
  RegistrationTable table;
  const RegistrationId first = insert(table, 5);
  table.erase(first);
  EXPECT_EQ(table.get(first), nullptr);
  const RegistrationId second = insert(table, 5);
  EXPECT_EQ(second.slot, first.slot) << "slots are reused";
  EXPECT_EQ(table.get(first), nullptr);
  EXPECT_NE(table.get(second), nullptr);
  table.erase(first);
  EXPECT_EQ(table.size(), 1u);
}

TEST(RegistrationTable, PacksAndUnpacksIds) {
  const RegistrationId id{0xfffffffe, 0x12345678};
  EXPECT_EQ(RegistrationId::unpack(id.packed()), id);
}

TEST(RegistrationTable, AnOlderRegistrationOfTheSameDescriptorDoesNotTakeTheNewOneWithIt) {
  RegistrationTable table;
  const RegistrationId old = insert(table, 5, 1);
  const RegistrationId fresh = insert(table, 5, 2);
  EXPECT_EQ(table.find(5), table.get(fresh));
  EXPECT_NE(table.get(old), nullptr);
  table.erase(old);
  EXPECT_EQ(table.find(5), table.get(fresh));
  EXPECT_EQ(table.size(), 1u);
}

TEST(RegistrationTable, TellsDoorbellsFromTheRest) {
  RegistrationTable table;
  const RegistrationId doorbell = insert(table, 5, kInternalToken);
  EXPECT_EQ(table.external(), 0u);
  const RegistrationId other = insert(table, 6, 1);
  EXPECT_EQ(table.external(), 1u);
  table.erase(doorbell);
  EXPECT_EQ(table.external(), 1u);
  table.erase(other);
  EXPECT_EQ(table.external(), 0u);
  EXPECT_EQ(table.size(), 0u);
}

TEST(RegistrationTable, VisitsEachOnceWhileTheyAreErased) {
  RegistrationTable table;
  for (int fd = 0; fd < 100; ++fd) insert(table, fd);
  int visits = 0;
  table.for_each([&](Registration& each) {
    ++visits;
    if (each.fd % 2 == 0) table.erase(table.id_of(each));
  });
  EXPECT_EQ(visits, 100);
  EXPECT_EQ(table.size(), 50u);
  table.clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.find(1), nullptr);
}

}  // namespace
}  // namespace zmqloop
