// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Defines the functions that code compiled with -fsanitize=thread calls at each access to memory.
// They call the scheduler's race detector, in place of the sanitizer's runtime.
//
// This file and the scheduler are compiled without the sanitizer. Operations of std::atomic, such
// as those on the counts of std::shared_ptr, have their usual memory order but are not steps.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/schedule/scheduler.h"

namespace zmqloop::schedule {
namespace {

void read(const void* address, std::size_t bytes, const void* code) {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr || bytes == 0) return;
  const Inside inside;
  scheduler->races().read({address, bytes, code}, scheduler->current(), scheduler->clock());
}

void write(const void* address, std::size_t bytes, const void* code) {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr || bytes == 0) return;
  const Inside inside;
  scheduler->races().write({address, bytes, code}, scheduler->current(), scheduler->clock());
}

// The memory orders by the numbers that the compiler passes.
constexpr std::memory_order kOrders[] = {std::memory_order_relaxed, std::memory_order_consume,
                                         std::memory_order_acquire, std::memory_order_release,
                                         std::memory_order_acq_rel, std::memory_order_seq_cst};

// Performs an operation on a std::atomic and reports it to the scheduler; returns the value before
// it. A load always returns the latest value here, so it is reported as the exchange of a value
// with itself.
template <class T, class F>
T perform(volatile void* address, int order, F after, bool is_store = false) {
  auto* const atom = static_cast<volatile T*>(address);
  const T before = *atom;
  const T value = after(before);
  if (value != before) *atom = value;
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return before;
  const Inside inside;
  const void* const place = const_cast<const T*>(atom);
  if (is_store) {
    scheduler->atoms().store(place, before, value, kOrders[order], scheduler->current(),
                             scheduler->clock());
  } else {
    scheduler->atoms().exchange(place, before, value, kOrders[order], scheduler->current(),
                                scheduler->clock());
  }
  scheduler->clock().tick(scheduler->current());
  return before;
}

}  // namespace
}  // namespace zmqloop::schedule

namespace schedule = zmqloop::schedule;

#define ZMQLOOP_CALLER __builtin_return_address(0)

// ---- plain memory ----

#define ZMQLOOP_ACCESSES(bytes)                                                               \
  extern "C" void __tsan_read##bytes(void* at) { schedule::read(at, bytes, ZMQLOOP_CALLER); } \
  extern "C" void __tsan_write##bytes(void* at) { schedule::write(at, bytes, ZMQLOOP_CALLER); }

ZMQLOOP_ACCESSES(1)
ZMQLOOP_ACCESSES(2)
ZMQLOOP_ACCESSES(4)
ZMQLOOP_ACCESSES(8)
ZMQLOOP_ACCESSES(16)

extern "C" void __tsan_init() {}
extern "C" void __tsan_read_range(void* at, std::size_t bytes) {
  schedule::read(at, bytes, ZMQLOOP_CALLER);
}
extern "C" void __tsan_write_range(void* at, std::size_t bytes) {
  schedule::write(at, bytes, ZMQLOOP_CALLER);
}
extern "C" void __tsan_vptr_update(void* at, void* value) {
  if (*static_cast<void**>(at) != value) schedule::write(at, sizeof(void*), ZMQLOOP_CALLER);
}

// The linker redirects memcpy and memmove to these (--wrap).
extern "C" void* __real_memcpy(void* to, const void* from, std::size_t bytes);
extern "C" void* __wrap_memcpy(void* to, const void* from, std::size_t bytes) {
  schedule::read(from, bytes, ZMQLOOP_CALLER);
  schedule::write(to, bytes, ZMQLOOP_CALLER);
  return __real_memcpy(to, from, bytes);
}
extern "C" void* __real_memmove(void* to, const void* from, std::size_t bytes);
extern "C" void* __wrap_memmove(void* to, const void* from, std::size_t bytes) {
  schedule::read(from, bytes, ZMQLOOP_CALLER);
  schedule::write(to, bytes, ZMQLOOP_CALLER);
  return __real_memmove(to, from, bytes);
}

// ---- std::atomic ----

#define ZMQLOOP_UPDATE(bits, name, result)                                               \
  extern "C" std::uint##bits##_t __tsan_atomic##bits##_##name(                           \
      volatile void* atom, std::uint##bits##_t operand, int order) {                     \
    using T = std::uint##bits##_t;                                                       \
    return schedule::perform<T>(                                                         \
        atom, order, [=]([[maybe_unused]] T before) { return static_cast<T>(result); }); \
  }
#define ZMQLOOP_COMPARE_EXCHANGE(bits, name)                                                \
  extern "C" bool __tsan_atomic##bits##_compare_exchange_##name(                            \
      volatile void* atom, void* expected, std::uint##bits##_t desired, int success, int) { \
    using T = std::uint##bits##_t;                                                          \
    const T wanted = *static_cast<T*>(expected);                                            \
    const T before = schedule::perform<T>(                                                  \
        atom, success, [=](T found) { return found == wanted ? desired : found; });         \
    *static_cast<T*>(expected) = before;                                                    \
    return before == wanted;                                                                \
  }
#define ZMQLOOP_ATOMICS(bits)                                                                 \
  extern "C" std::uint##bits##_t __tsan_atomic##bits##_load(const volatile void* atom,        \
                                                            int order) {                      \
    using T = std::uint##bits##_t;                                                            \
    return schedule::perform<T>(const_cast<volatile void*>(atom), order,                      \
                                [](T before) { return before; });                             \
  }                                                                                           \
  extern "C" void __tsan_atomic##bits##_store(volatile void* atom, std::uint##bits##_t value, \
                                              int order) {                                    \
    using T = std::uint##bits##_t;                                                            \
    schedule::perform<T>(                                                                     \
        atom, order, [=](T) { return value; }, true);                                         \
  }                                                                                           \
  ZMQLOOP_UPDATE(bits, exchange, operand)                                                     \
  ZMQLOOP_UPDATE(bits, fetch_add, before + operand)                                           \
  ZMQLOOP_UPDATE(bits, fetch_sub, before - operand)                                           \
  ZMQLOOP_UPDATE(bits, fetch_and, before& operand)                                            \
  ZMQLOOP_UPDATE(bits, fetch_or, before | operand)                                            \
  ZMQLOOP_COMPARE_EXCHANGE(bits, strong)                                                      \
  ZMQLOOP_COMPARE_EXCHANGE(bits, weak)

ZMQLOOP_ATOMICS(8)
ZMQLOOP_ATOMICS(32)
ZMQLOOP_ATOMICS(64)

// A fence for the compiler alone, not for the processor.
extern "C" void __tsan_atomic_signal_fence(int) {}
