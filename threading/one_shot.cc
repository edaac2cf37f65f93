#include "zmqloop/threading/one_shot.h"

#include <cstdio>

#include "zmqloop/threading/thread_label.h"
#include "zmqloop/threading/thread_role.h"

namespace zmqloop::one_shot {

void terminate_in_destructor() noexcept {
  const char* const loop = ThreadRole::loop_name();
  std::fprintf(stderr, "zmqloop: the destructor of a callable threw, on %s%s%s%s\n",
               loop != nullptr ? "loop '" : "", loop != nullptr ? loop : "",
               loop != nullptr ? "', " : "", fixed_thread_label().data());
  std::terminate();
}

}  // namespace zmqloop::one_shot
