// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The invariants W1 to W4 as far as one thread can see them; the mailbox tests attack them from
// several threads.
#include "zmqloop/threading/mailbox/control_word.h"

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

TEST(ControlWord, StartsAwakeOpenAndAtTheFirstTicket) {
  const ControlWord word;
  EXPECT_EQ(word.look().next_ticket(), ControlWord::kFirstTicket);
  EXPECT_FALSE(word.look().asleep());
  EXPECT_FALSE(word.look().stop_requested());
  EXPECT_FALSE(word.look().closed());
}

TEST(ControlWord, GivesConsecutiveTickets) {
  ControlWord word;
  for (std::uint64_t ticket = ControlWord::kFirstTicket; ticket < 100; ++ticket) {
    EXPECT_EQ(word.look().next_ticket(), ticket);
    EXPECT_EQ(word.take_ticket().next_ticket(), ticket);
  }
}

TEST(ControlWord, RefusesFromTheCloseOn) {
  ControlWord word;
  EXPECT_FALSE(word.take_ticket().closed());
  const ControlWord::View last = word.close();
  EXPECT_FALSE(last.closed());
  EXPECT_EQ(last.next_ticket(), ControlWord::kFirstTicket + 1);
  EXPECT_TRUE(word.take_ticket().closed());
  EXPECT_TRUE(word.look().closed());
  EXPECT_TRUE(word.close().closed());
}

TEST(ControlWord, FallsAsleepOnlyWithEveryTicketConsumed) {
  ControlWord word;
  const std::uint64_t consumed = word.look().next_ticket();
  word.take_ticket();
  EXPECT_FALSE(word.try_fall_asleep(consumed));
  EXPECT_FALSE(word.look().asleep());
  EXPECT_TRUE(word.try_fall_asleep(consumed + 1));
  EXPECT_TRUE(word.look().asleep());
}

TEST(ControlWord, DoesNotFallAsleepWithAStopOrACloseRequested) {
  ControlWord stopped;
  stopped.request_stop();
  EXPECT_FALSE(stopped.try_fall_asleep(ControlWord::kFirstTicket));
  EXPECT_TRUE(stopped.clear_stop());
  EXPECT_TRUE(stopped.try_fall_asleep(ControlWord::kFirstTicket));
  ControlWord closed;
  closed.close();
  EXPECT_FALSE(closed.try_fall_asleep(ControlWord::kFirstTicket));
}

TEST(ControlWord, DoesNotFallAsleepTwice) {
  ControlWord word;
  EXPECT_TRUE(word.try_fall_asleep(ControlWord::kFirstTicket));
  EXPECT_FALSE(word.try_fall_asleep(ControlWord::kFirstTicket));
}

TEST(ControlWord, TellsEveryoneAfterTheSleepThatItSleepsAndOneThatItWokeIt) {
  ControlWord word;
  ASSERT_TRUE(word.try_fall_asleep(ControlWord::kFirstTicket));
  EXPECT_TRUE(word.take_ticket().asleep());
  EXPECT_TRUE(word.take_ticket().asleep());
  EXPECT_TRUE(word.request_stop().asleep());
  EXPECT_TRUE(word.clear_asleep());
  EXPECT_FALSE(word.clear_asleep());
  EXPECT_FALSE(word.take_ticket().asleep());
}

TEST(ControlWord, LatchesAStopUntilItIsCleared) {
  ControlWord word;
  EXPECT_FALSE(word.request_stop().stop_requested());
  EXPECT_TRUE(word.request_stop().stop_requested());
  EXPECT_TRUE(word.look().stop_requested());
  EXPECT_TRUE(word.clear_stop());
  EXPECT_FALSE(word.clear_stop());
}

TEST(ControlWord, KeepsItsFlagsApartFromItsTickets) {
  ControlWord word;
  ASSERT_TRUE(word.try_fall_asleep(ControlWord::kFirstTicket));
  word.request_stop();
  word.close();
  word.take_ticket();
  EXPECT_EQ(word.look().next_ticket(), ControlWord::kFirstTicket + 1);
  word.clear_asleep();
  word.clear_stop();
  EXPECT_TRUE(word.look().closed());
  EXPECT_EQ(word.look().next_ticket(), ControlWord::kFirstTicket + 1);
}

}  // namespace
}  // namespace zmqloop
