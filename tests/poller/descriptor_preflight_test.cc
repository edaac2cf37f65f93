// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/descriptor_preflight.h"

#include <cerrno>
#include <string>
#include <sys/resource.h>
#include <system_error>

#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/waker.h"

namespace zmqloop::testing {
namespace {

// Limits this process to descriptors below `soft`, and lets it raise that to `hard`.
bool limit_descriptors(rlim_t soft, rlim_t hard) {
  const rlimit limit{soft, hard};
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

// Returns the lowest free number: without gaps, the number of open descriptors.
int lowest_free() { return make_event().get(); }

TEST(DescriptorPreflight, PassesAndLeavesNothingOpen) {
  const int before = lowest_free();
  require_free_descriptors(0, "nothing");
  require_free_descriptors(1, "a little");
  require_free_descriptors(100, "much");
  EXPECT_EQ(lowest_free(), before);
}

rlim_t soft_limit() {
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  return now.rlim_cur;
}

TEST(DescriptorPreflight, RaisesTheSoftLimitIfThatHelpsAndIsAllowed) {
  EXPECT_EQ(exit_code_of_child([] {
              const auto open = static_cast<rlim_t>(lowest_free());
              if (!limit_descriptors(open + 2, open + 20)) return 1;
              require_free_descriptors(10, "testing", DescriptorLimit::kRaise);
              return soft_limit() == open + 20 ? 0 : 2;
            }),
            0);
}

TEST(DescriptorPreflight, LeavesTheSoftLimitAloneIfItIsNotToldOtherwise) {
  EXPECT_EQ(exit_code_of_child([] {
              const auto open = static_cast<rlim_t>(lowest_free());
              if (!limit_descriptors(open + 2, open + 20)) return 1;
              try {
                require_free_descriptors(10, "testing");
                return 2;
              } catch (const std::system_error& error) {
                if (error.code().value() != EMFILE) return 3;
              }
              return soft_limit() == open + 2 ? 0 : 4;
            }),
            0);
}

TEST(DescriptorPreflight, SaysWhatIsNeededWhatTheLimitIsAndWhatToDo) {
  EXPECT_EQ(exit_code_of_child([] {
              // Closed before the test reads the error: UBSan's check of its type makes a pipe.
              OwnedFd reserve[2] = {make_event(), make_event()};
              const auto open = static_cast<rlim_t>(lowest_free());
              if (!limit_descriptors(open + 2, open + 2)) return 20;
              try {
                require_free_descriptors(10, "testing");
                return 2;
              } catch (const std::system_error& error) {
                for (OwnedFd& each : reserve) each.close();
                const std::string text = error.what();
                if (error.code().value() != EMFILE) return 3;
                if (text.find("testing needs 10") == std::string::npos) return 4;
                if (text.find(std::to_string(open + 2)) == std::string::npos) return 5;
                if (text.find("ulimit -n") == std::string::npos) return 6;
              }
              return lowest_free() == static_cast<int>(open) - 2 ? 0 : 7;
            }),
            0);
}

// Without the preflight, libzmq aborts under some of these limits. Each child is forked from a
// process without a context, so it meets the limit where the context starts.
TEST(DescriptorPreflight, Rel_G7_MakesAWakerThrowUnderEveryLimitAndNeverAbort) {
  // Not 0 or 1: a sanitizer, or an exit() elsewhere, would end the child with those.
  constexpr int kWorked = 10;
  constexpr int kThrew = 11;
  bool some_threw = false;
  bool some_worked = false;
  for (rlim_t spare = 0; spare <= 24; ++spare) {
    const int code = exit_code_of_child([spare] {
      OwnedFd reserve[2] = {make_event(), make_event()};  // as above
      const auto limit = static_cast<rlim_t>(lowest_free()) + spare;
      if (!limit_descriptors(limit, limit)) return 20;
      try {
        Waker waker;
        waker.wake();
        return kWorked;
      } catch (const std::system_error& error) {
        for (OwnedFd& each : reserve) each.close();
        return error.code().value() == EMFILE ? kThrew : 21;
      }
    });
    EXPECT_TRUE(code == kWorked || code == kThrew)
        << code << " with " << spare << " spare descriptors";
    EXPECT_FALSE(code == kThrew && some_worked) << "worked with fewer than " << spare;
    some_worked = some_worked || code == kWorked;
    some_threw = some_threw || code == kThrew;
  }
  EXPECT_TRUE(some_threw && some_worked);
}

}  // namespace
}  // namespace zmqloop::testing
