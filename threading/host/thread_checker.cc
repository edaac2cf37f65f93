// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/thread_checker.h"

namespace zmqloop {

void ThreadChecker::bind() noexcept {
  const std::lock_guard lock(mutex_);
  label_ = fixed_thread_label();
  owner_.store(here());  // after the label: a thread that sees the owner finds its name
}

void ThreadChecker::unbind() noexcept { owner_.store(nullptr); }

std::string ThreadChecker::bound_label() const {
  const std::lock_guard lock(mutex_);
  return label_.data();
}

}  // namespace zmqloop
