// The exceptions that are this library's own; everything else is a standard type.
//
// Public.

#ifndef ZMQLOOP_RUNTIME_ERRORS_H_
#define ZMQLOOP_RUNTIME_ERRORS_H_

#include <stdexcept>

namespace zmqloop {

// The time given to IOLoop::run_sync() or Future::get() is up.
class TimeoutError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The loop was stopped before the function given to IOLoop::run_sync() had completed.
class StoppedError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The loop is closed: it runs nothing any more.
class LoopClosedError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A Promise was destroyed without a value or an exception.
class BrokenPromiseError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_ERRORS_H_
