// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's runtime/core/loop_affinity.h without checks: scenarios use their loops on the right
// threads.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_LOOP_AFFINITY_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_LOOP_AFFINITY_H_

#include <string>
#include <utility>

namespace zmqloop {

class LoopAffinity {
 public:
  enum class Owner : bool { kUser, kItsThread };
  LoopAffinity(std::string name, Owner) : name_(std::move(name)) {}
  const std::string& name() const noexcept { return name_; }

 private:
  const std::string name_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_CORE_LOOP_AFFINITY_H_
