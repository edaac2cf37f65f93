// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Scenarios: claims, on a kernel that cannot fence other threads.
#include "tests/schedule/scenario.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/mailbox/claim.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::schedule {
namespace {

SCENARIO(claim_against_a_look, "Rel_C10",
         "of who takes a claim and who closes what it is about, one sees the other") {
  const auto* const me = reinterpret_cast<const void*>(1);  // the same in each process
  Claim claim;
  Atom<bool> closed{false};
  int uses = 0;  // by one thread at a time, or the race detector fails
  // Three times, so that the closer may find a claim that the taker has dropped.
  const Thread taker("taker", [&] {
    for (int call = 0; call < 3; ++call) {
      claim.take(me);
      if (!closed.load()) ++uses;
      claim.drop();
    }
  });
  const Thread closer("closer", [&] {
    closed.exchange(true);
    if (claim.holder() == nullptr) ++uses;
  });
}

}  // namespace
}  // namespace zmqloop::schedule
