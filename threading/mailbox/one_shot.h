// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Type erasure for a callable that is run once or dropped, in 48 bytes that its owner provides.
//
// A callable that fits and moves without throwing lives in the storage itself; any other one lives
// on the heap and the storage holds its pointer. One function pointer per type serves all
// operations, so that a queue slot spends eight bytes on it and a run costs one indirect call.
//
// Threads: none of its own; the owner of the storage orders construct before run.
// Owns: the callable, from construct() until exactly one kRun or kDestroy.
// Errors: passes on exceptions of the callable's constructors and of its call.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_ONE_SHOT_H_
#define ZMQLOOP_THREADING_MAILBOX_ONE_SHOT_H_

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "zmqloop/threading/host/export.h"

namespace zmqloop::one_shot {

inline constexpr std::size_t kBytes = 48;
inline constexpr std::size_t kAlignment = 16;

enum class Action : unsigned char {
  kRun,      // calls the callable, then destroys it, also when it throws
  kDestroy,  // destroys it without calling it
  kType,     // only returns the type that the user posted
};

// Performs `action` on the callable in `storage`; returns its type for kType, else nullptr.
using Ops = const std::type_info* (*)(void* storage, Action action);

// Whether D may live in the storage itself. Its move must not throw: a queue must never fail
// half-way through taking a callable.
template <class D>
inline constexpr bool kFitsInline =
    sizeof(D) <= kBytes && alignof(D) <= kAlignment&& std::is_nothrow_move_constructible_v<D>;

// Ends the process because the destructor of a callable threw, and says on which loop. Called in
// the catch handler, so that the C++ runtime reports the exception.
ZMQLOOP_EXPORT [[noreturn]] void terminate_in_destructor() noexcept;

// Calls `destroy`, which destroys a D. A destructor that throws ends the process.
template <class D, class Destroy>
void end_if_it_throws(Destroy destroy) noexcept {
  if constexpr (std::is_nothrow_destructible_v<D>) {
    destroy();
  } else {
    try {
      destroy();
    } catch (...) {
      terminate_in_destructor();
    }
  }
}

// Destroys the callable, if there is one.
template <class D>
void destroy(std::optional<D>& callable) noexcept {
  end_if_it_throws<D>([&] { callable.reset(); });
}

// Destroys a boxed callable.
template <class D>
struct Unbox {
  void operator()(D* callable) const noexcept {
    end_if_it_throws<D>([&] { delete callable; });
  }
};

// A callable on the heap, for a place that holds trivially copyable ones only, such as a signal
// slot. It still owns the callable, until that is run or disposed of.
template <class D>
struct BareBox {
  D* callable;
};

// A callable that is too large, too aligned or throws when moved or destroyed: kept on the heap.
template <class D>
struct Boxed {
  std::unique_ptr<D, Unbox<D>> callable;
  BareBox<D> strip() && noexcept { return {callable.release()}; }
};
template <class F, class D = std::decay_t<F>>
Boxed<D> box(F&& f) {
  return {std::unique_ptr<D, Unbox<D>>(new D(std::forward<F>(f)))};
}

// A callable with arguments bound to it, as std::thread binds them: decayed copies, moved into the
// call.
template <class D, class... A>
struct Bound {
  D callable;
  std::tuple<A...> arguments;
  decltype(auto) operator()() { return std::apply(std::move(callable), std::move(arguments)); }
};

// The type to report for a stored callable: the one the user wrote, without our wrappers.
template <class D>
struct ReportedType {
  using type = D;
};
template <class D>
struct ReportedType<Boxed<D>> : ReportedType<D> {};
template <class D>
struct ReportedType<BareBox<D>> : ReportedType<D> {};
template <class D, class... A>
struct ReportedType<Bound<D, A...>> : ReportedType<D> {};

template <class D>
decltype(auto) invoke(D& callable) {
  if constexpr (std::is_invocable_v<D&>) {
    return std::invoke(callable);
  } else {
    return std::invoke(std::move(callable));
  }
}
template <class D>
decltype(auto) invoke(Boxed<D>& boxed) {
  return one_shot::invoke(*boxed.callable);
}
template <class D>
decltype(auto) invoke(BareBox<D>& boxed) {
  return one_shot::invoke(*boxed.callable);
}
// The decayed result type of invoke().
template <class D>
using Result = std::decay_t<decltype(one_shot::invoke(std::declval<D&>()))>;

// Returns a callable that calls `f` as kRun does: once.
template <class F>
auto once(F&& f) {
  return [g = std::decay_t<F>(std::forward<F>(f))]() mutable {
    static_cast<void>(one_shot::invoke(g));
  };
}

// Ends a stored callable, run or not: a BareBox frees its heap object, any other is destroyed.
template <class D>
struct Disposal {
  static void dispose(D& callable) noexcept { callable.~D(); }
};
template <class D>
struct Disposal<BareBox<D>> {
  static void dispose(BareBox<D>& boxed) noexcept { Unbox<D>()(boxed.callable); }
};

template <class D>
const std::type_info* ops(void* storage, Action action) {
  if (action == Action::kType) [[unlikely]] {
    return &typeid(typename ReportedType<D>::type);
  }
  D& callable = *std::launder(static_cast<D*>(storage));
  struct DestroyAtExit {
    D& callable;
    ~DestroyAtExit() { Disposal<D>::dispose(callable); }
  } destroy{callable};
  if (action == Action::kRun) [[likely]]
    static_cast<void>(invoke(callable));
  return nullptr;
}

// Returns an argument that construct() can take without throwing: `f` itself if it can be moved or
// copied into the storage safely, else a copy of it, in place or boxed. All user code that may
// throw runs here, before the caller has taken a slot.
template <class F>
decltype(auto) prepare(F&& f) {
  using D = std::decay_t<F>;
  if constexpr (!kFitsInline<D>) {
    return one_shot::box(std::forward<F>(f));
  } else if constexpr (std::is_nothrow_constructible_v<D, F&&>) {
    return std::forward<F>(f);
  } else {
    return D(std::forward<F>(f));
  }
}

// Binds arguments to a callable; without arguments, returns the callable itself.
template <class F, class... A>
decltype(auto) bind(F&& f, A&&... arguments) {
  if constexpr (sizeof...(A) == 0) {
    return std::forward<F>(f);
  } else {
    return Bound<std::decay_t<F>, std::decay_t<A>...>{
        std::forward<F>(f), std::tuple<std::decay_t<A>...>(std::forward<A>(arguments)...)};
  }
}

// Constructs the result of prepare() in `storage` and returns its operations.
template <class P>
Ops construct(void* storage, P&& prepared) noexcept {
  using D = std::decay_t<P>;
  static_assert(kFitsInline<D> && std::is_nothrow_constructible_v<D, P&&>);
  ::new (storage) D(std::forward<P>(prepared));
  return &ops<D>;
}

// Whether `f` is a null function pointer, member pointer, std::function or the like.
template <class F>
constexpr bool is_null(const F& f) {
  if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>) {
    return f == nullptr;
  } else if constexpr (std::is_constructible_v<F, std::nullptr_t> &&
                       requires { static_cast<bool>(f); }) {
    return !static_cast<bool>(f);
  } else {
    return false;
  }
}

}  // namespace zmqloop::one_shot

#endif  // ZMQLOOP_THREADING_MAILBOX_ONE_SHOT_H_
