// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/thread_label.h"

#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

TEST(ThreadLabel, NamesTheCallingThread) {
  std::thread([] {
    ASSERT_EQ(::pthread_setname_np(::pthread_self(), "label-test"), 0);
    EXPECT_EQ(current_thread_label(),
              "thread " + std::to_string(current_thread_id()) + " (label-test)");
  }).join();
}

TEST(ThreadLabel, GivesThreadsTheirNativeIds) {
  EXPECT_EQ(current_thread_id(), ::gettid());
  pid_t other = 0;
  std::thread([&other] { other = current_thread_id(); }).join();
  EXPECT_NE(other, current_thread_id());
}

TEST(ShortenThreadName, KeepsWhatFits) {
  EXPECT_EQ(shorten_thread_name(""), "");
  EXPECT_EQ(shorten_thread_name("worker-3"), "worker-3");
  EXPECT_EQ(shorten_thread_name("123456789012345"), "123456789012345");
}

TEST(ShortenThreadName, KeepsTheTrailingNumber) {
  EXPECT_EQ(shorten_thread_name("telemetry-worker-12"), "telemetry-wo-12");
  EXPECT_EQ(shorten_thread_name("telemetryworker12"), "telemetrywork12");
  EXPECT_EQ(shorten_thread_name("telemetry worker #7"), "telemetry wor#7");
}

TEST(ShortenThreadName, CutsANameWithoutANumber) {
  EXPECT_EQ(shorten_thread_name("a-very-long-thread-name"), "a-very-long-thr");
  EXPECT_EQ(shorten_thread_name("ends-with-separator-"), "ends-with-separ");
}

TEST(ShortenThreadName, KeepsTheLastDigitsOfANumberThatIsTooLong) {
  EXPECT_EQ(shorten_thread_name("12345678901234567890"), "678901234567890");
  EXPECT_EQ(shorten_thread_name("w-12345678901234567890"), "678901234567890");
}

TEST(ShortenThreadName, CutsNoCharacterInTwo) {
  EXPECT_EQ(shorten_thread_name("aaaaaaaaaaaaaa\u00e4b"), "aaaaaaaaaaaaaa");
  EXPECT_EQ(shorten_thread_name("\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4-1"),
            "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4-1");
}

}  // namespace
}  // namespace zmqloop
