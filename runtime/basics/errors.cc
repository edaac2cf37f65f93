// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/basics/errors.h"

namespace zmqloop {

const char* TimeoutError::what() const noexcept { return std::runtime_error::what(); }
const char* StoppedError::what() const noexcept { return std::runtime_error::what(); }
const char* LoopClosedError::what() const noexcept { return std::runtime_error::what(); }
const char* BrokenPromiseError::what() const noexcept { return std::runtime_error::what(); }

}  // namespace zmqloop
