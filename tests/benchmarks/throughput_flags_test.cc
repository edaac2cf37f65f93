// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/throughput_flags.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

using Arguments = std::vector<const char*>;

constexpr std::string_view kScenarios[] = {"1to1", "ping-pong", "NtoN"};
constexpr std::size_t kCores = 6;

ThroughputFlags parse(const Arguments& arguments) {
  return parse_throughput_flags(arguments, kScenarios, kCores);
}

TEST(ThroughputFlags, DefaultToTheUsableCoresAndTenSeconds) {
  const ThroughputFlags flags = parse({});
  EXPECT_EQ(flags.loops, kCores);
  EXPECT_EQ(flags.producers, kCores);
  EXPECT_EQ(flags.seconds, 10);
  EXPECT_FALSE(flags.pin || flags.list || flags.help);
  EXPECT_EQ(flags.idle_spin, std::nullopt);
  EXPECT_TRUE(flags.scenarios.empty());
  EXPECT_TRUE(flags.json.empty());
}

TEST(ThroughputFlags, ReadEachFlag) {
  const ThroughputFlags flags =
      parse({"--loops=3", "--producers=4096", "--seconds=0.25", "--pin", "--json=out.json",
             "--scenario=NtoN,1to1", "--idle-spin=20", "--list", "--help"});
  EXPECT_EQ(flags.loops, 3U);
  EXPECT_EQ(flags.producers, 4096U);
  EXPECT_EQ(flags.seconds, 0.25);
  EXPECT_TRUE(flags.pin && flags.list && flags.help);
  EXPECT_EQ(flags.json, "out.json");
  EXPECT_EQ(flags.scenarios, (std::vector<std::string>{"NtoN", "1to1"}));
  EXPECT_EQ(flags.idle_spin, std::chrono::microseconds(20));
}

TEST(ThroughputFlags, TakeAValueFromTheNextArgument) {
  const ThroughputFlags flags = parse({"--json", "a b.json", "--loops", "2", "--seconds", "1e1"});
  EXPECT_EQ(flags.json, "a b.json");
  EXPECT_EQ(flags.loops, 2U);
  EXPECT_EQ(flags.seconds, 10);
}

TEST(ThroughputFlags, KeepAnEqualsSignInAValue) { EXPECT_EQ(parse({"--json=a=b"}).json, "a=b"); }

TEST(ThroughputFlags, KnowTheWordsOfIdleSpin) {
  EXPECT_EQ(parse({"--idle-spin=adaptive"}).idle_spin, std::nullopt);
  EXPECT_EQ(parse({"--idle-spin=off"}).idle_spin, Duration::zero());
  EXPECT_EQ(parse({"--idle-spin=0"}).idle_spin, Duration::zero());
}

TEST(ThroughputFlags, CountAScenarioNamedTwiceOnce) {
  EXPECT_EQ(parse({"--scenario=1to1,1to1"}).scenarios, std::vector<std::string>{"1to1"});
}

TEST(ThroughputFlags, LetTheLastOfTwoWin) {
  EXPECT_EQ(parse({"--loops=2", "--loops=5"}).loops, 5U);
}

struct Nonsense {
  Arguments arguments;
  std::string named;  // must appear in the message
};
void PrintTo(const Nonsense& nonsense, std::ostream* out) {
  for (const char* const argument : nonsense.arguments) *out << argument << ' ';
}

class ThroughputFlagsNonsense : public testing::TestWithParam<Nonsense> {};

TEST_P(ThroughputFlagsNonsense, IsRefusedInOneLineThatNamesIt) {
  const auto& [arguments, named] = GetParam();
  try {
    parse(arguments);
    ADD_FAILURE() << "accepted";
  } catch (const FlagError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(named), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 200U) << message;
  }
}

const std::string kLong(100'000, '9');

INSTANTIATE_TEST_SUITE_P(
    All, ThroughputFlagsNonsense,
    testing::Values(
        Nonsense{{"--loops=0"}, "--loops"}, Nonsense{{"--loops=100000"}, "'100000'"},
        Nonsense{{"--loops=abc"}, "'abc'"}, Nonsense{{"--loops=-1"}, "'-1'"},
        Nonsense{{"--loops=+1"}, "'+1'"}, Nonsense{{"--loops=1.5"}, "'1.5'"},
        Nonsense{{"--loops=2x"}, "'2x'"}, Nonsense{{"--loops= 2"}, "' 2'"},
        Nonsense{{"--loops=2 "}, "'2 '"}, Nonsense{{"--loops=0x10"}, "'0x10'"},
        Nonsense{{"--loops=4097"}, "4096"},
        Nonsense{{"--loops=99999999999999999999999"}, "--loops"},
        Nonsense{{"--loops", kLong.c_str()}, "--loops"}, Nonsense{{"--loops="}, "needs a value"},
        Nonsense{{"--loops"}, "needs a value"}, Nonsense{{"--producers=0"}, "--producers"},
        Nonsense{{"--producers=100000"}, "--producers"}, Nonsense{{"--producers"}, "--producers"},
        Nonsense{{"--seconds=-1"}, "'-1'"}, Nonsense{{"--seconds=nan"}, "'nan'"},
        Nonsense{{"--seconds=inf"}, "'inf'"}, Nonsense{{"--seconds=0"}, "'0'"},
        Nonsense{{"--seconds=1e999"}, "'1e999'"}, Nonsense{{"--seconds=86401"}, "86400"},
        Nonsense{{"--seconds=1s"}, "'1s'"}, Nonsense{{"--seconds=abc"}, "'abc'"},
        Nonsense{{"--seconds="}, "needs a value"}, Nonsense{{"--scenario=1to2"}, "'1to2'"},
        Nonsense{{"--scenario=1to1,"}, "''"}, Nonsense{{"--scenario=,1to1"}, "''"},
        Nonsense{{"--scenario=1TO1"}, "'1TO1'"}, Nonsense{{"--scenario"}, "needs a value"},
        Nonsense{{"--scenario=a\nb"}, "'a?b'"}, Nonsense{{"--idle-spin=-1"}, "'-1'"},
        Nonsense{{"--idle-spin=on"}, "'on'"}, Nonsense{{"--idle-spin=1000001"}, "1000000"},
        Nonsense{{"--idle-spin=5us"}, "'5us'"}, Nonsense{{"--json"}, "--json needs a value"},
        Nonsense{{"--json="}, "--json needs a value"},
        Nonsense{{"--json", "--pin"}, "--json needs a value"}, Nonsense{{"--bogus"}, "'--bogus'"},
        Nonsense{{"--loopss=1"}, "'--loopss=1'"}, Nonsense{{"-h"}, "'-h'"},
        Nonsense{{"loops=1"}, "'loops=1'"}, Nonsense{{""}, "''"}, Nonsense{{"--"}, "'--'"},
        Nonsense{{"--pin=1"}, "--pin takes no value"}, Nonsense{{"--pin="}, "--pin takes no value"},
        Nonsense{{"--list=x"}, "--list takes no value"}, Nonsense{{"--pin", "1"}, "'1'"}));

TEST(ThroughputFlags, AreAllInTheUsageText) {
  const std::string usage = throughput_usage();
  for (const char* const flag : {"--loops=", "--producers=", "--seconds=", "--pin",
                                 "--scenario=", "--list", "--json=", "--idle-spin=", "--help"}) {
    EXPECT_NE(usage.find(flag), std::string::npos) << flag;
  }
}

}  // namespace
}  // namespace zmqloop::bench
