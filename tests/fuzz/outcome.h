// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tells how a call ended, to compare with the expected outcome.

#ifndef ZMQLOOP_TESTS_FUZZ_OUTCOME_H_
#define ZMQLOOP_TESTS_FUZZ_OUTCOME_H_

#include <stdexcept>
#include <system_error>

#include "zmqloop/runtime/basics/errors.h"

namespace zmqloop::fuzz {

enum class Outcome { kDone, kInvalidArgument, kLogicError, kLoopClosed, kSystemError };

// Calls `f`; exceptions of other types pass through.
template <class F>
Outcome outcome_of(F&& f) {
  try {
    f();
    return Outcome::kDone;
  } catch (const LoopClosedError&) {
    return Outcome::kLoopClosed;
  } catch (const std::invalid_argument&) {
    return Outcome::kInvalidArgument;
  } catch (const std::logic_error&) {
    return Outcome::kLogicError;
  } catch (const std::system_error&) {
    return Outcome::kSystemError;
  }
}

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_OUTCOME_H_
