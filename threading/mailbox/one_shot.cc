// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/one_shot.h"

#include <array>
#include <cstdio>

#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/thread_label.h"
#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop::one_shot {

void terminate_in_destructor() noexcept {
  const char* const loop = ThreadRole::loop_name();
  std::array<char, 512> text;  // there may be no memory
  std::snprintf(text.data(), text.size(),
                "zmqloop: the destructor of a callable threw, on %s%.300s%s%s\n",
                loop != nullptr ? "loop '" : "", loop != nullptr ? loop : "",
                loop != nullptr ? "', " : "", fixed_thread_label().data());
  write_error(text.data());
  std::terminate();
}

}  // namespace zmqloop::one_shot
