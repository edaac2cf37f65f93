// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The exceptions that are this library's own; everything else is a standard type.
//
// Each has a function in errors.cc, so that its type exists once in a process: one shared object
// can catch the exceptions of another, with every C++ library.
//
// Public.

#ifndef ZMQLOOP_RUNTIME_BASICS_ERRORS_H_
#define ZMQLOOP_RUNTIME_BASICS_ERRORS_H_

#include <stdexcept>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// The time given to IOLoop::run_sync() or Future::get() is up.
class ZMQLOOP_EXPORT TimeoutError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  const char* what() const noexcept override;
};

// The loop was stopped before the function given to IOLoop::run_sync() had completed.
class ZMQLOOP_EXPORT StoppedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  const char* what() const noexcept override;
};

// The loop is closed: it runs nothing any more.
class ZMQLOOP_EXPORT LoopClosedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  const char* what() const noexcept override;
};

// A Promise was destroyed without a value or an exception.
class ZMQLOOP_EXPORT BrokenPromiseError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  const char* what() const noexcept override;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_ERRORS_H_
