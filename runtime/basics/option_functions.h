// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The callables that options hold: copyable, possibly empty.
//
//   LoopFunction<std::uint64_t> on_high_water = [](std::uint64_t) { std::puts("too many posts"); };
//   ThreadHook<> on_thread_start = [] { std::puts("hello"); };
//
// Threads: values; each option says which thread calls it.
// Errors: those of copying the callable.
// Public, as parts of options.

#ifndef ZMQLOOP_RUNTIME_BASICS_OPTION_FUNCTIONS_H_
#define ZMQLOOP_RUNTIME_BASICS_OPTION_FUNCTIONS_H_

#include <functional>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

class LoopCore;
// In callback_task.h.
template <class F, class... A>
void start_callback(LoopCore& core, const std::shared_ptr<F>& f, A... arguments);

// A loop calls it on its own thread. If it returns a Task or Future, that is run to its end there,
// and its exception goes to IOLoop::handle_callback_exception().
template <class... A>
class LoopFunction {
 public:
  LoopFunction() = default;
  LoopFunction(std::nullptr_t) {}
  template <class F>
  requires(!std::is_same_v<F, LoopFunction> && std::is_invocable_v<F&, A...>)
  LoopFunction(F f) : type_(&typeid(F)) {
    if (one_shot::is_null(f)) return;
    if constexpr (kReturnsAsync<F&, A...>) {
      call_ = [own = OneForEach<F>(std::move(f))](LoopCore& core, A... arguments) {
        start_callback(core, own.f, std::move(arguments)...);  // callback_task.h
      };
    } else {
      call_ = [g = std::move(f)](LoopCore&, A... arguments) mutable {
        static_cast<void>(std::invoke(g, std::move(arguments)...));
      };
    }
  }

  explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  // Internal.
  void operator()(LoopCore& core, A... arguments) const { call_(core, std::move(arguments)...); }
  const std::type_info& type() const noexcept { return *type_; }

 private:
  // Shares the callable with its tasks. A copy, for another loop, has a callable of its own.
  template <class F>
  struct OneForEach {
    explicit OneForEach(F&& g) : f(std::make_shared<F>(std::move(g))) {}
    OneForEach(const OneForEach& other) : f(std::make_shared<F>(*other.f)) {}
    OneForEach(OneForEach&&) noexcept = default;
    const std::shared_ptr<F> f;
  };

  std::function<void(LoopCore&, A...)> call_;
  const std::type_info* type_ = &typeid(void);
};

// A thread calls it as it begins or ends, or to report a stall; no loop calls it.
template <class... A>
class ThreadHook {
 public:
  ThreadHook() = default;
  ThreadHook(std::nullptr_t) {}
  template <class F>
  requires(!std::is_same_v<F, ThreadHook> && std::is_invocable_v<F&, A...>)
  ThreadHook(F f) {
    static_assert(!kReturnsAsync<F&, A...>,
                  "nobody would run the task that this hook returns: have the hook spawn it on "
                  "IOLoop::current()");
    if (!one_shot::is_null(f)) call_ = std::move(f);
  }

  explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  void operator()(A... arguments) const { call_(std::move(arguments)...); }

 private:
  std::function<void(A...)> call_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_OPTION_FUNCTIONS_H_
