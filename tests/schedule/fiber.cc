// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/fiber.h"

#include <cstdint>
#include <cstring>
#include <cxxabi.h>
#include <new>
#include <sys/mman.h>

namespace zmqloop::schedule {
namespace {

constexpr std::size_t kPage = 4096;

Fiber* entering = nullptr;  // the fiber entered for the first time by this switch

}  // namespace

#if defined(__x86_64__)

// Pushes the registers that a call preserves and stores the stack pointer; then does the reverse on
// the other stack.
extern "C" void zmqloop_switch_stack(void** save, void* load);
asm(R"(
.text
.type zmqloop_switch_stack, @function
zmqloop_switch_stack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size zmqloop_switch_stack, . - zmqloop_switch_stack
)");

#endif

Fiber::Fiber() = default;

Fiber::Fiber(std::size_t bytes) : bytes_(bytes) {
  memory_ =
      ::mmap(nullptr, bytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc();
  ::mprotect(memory_, kPage, PROT_NONE);
}

Fiber::~Fiber() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_ + kPage);
}

void Fiber::start(Body body) {
  body_ = body;
  exceptions_[0] = exceptions_[1] = nullptr;
  char* const bottom = static_cast<char*>(memory_) + kPage;
#if defined(__x86_64__)
  // The stack holds six registers, then the return address. At the entry of a function the stack
  // pointer is eight below a multiple of 16.
  auto** const top = reinterpret_cast<void**>(bottom + bytes_ - 2 * sizeof(void*));
  *top = reinterpret_cast<void*>(&Fiber::entry);
  stack_pointer_ = top - 6;
#else
  ::getcontext(&context_);
  context_.uc_stack.ss_sp = bottom;
  context_.uc_stack.ss_size = bytes_;
  context_.uc_link = nullptr;
  ::makecontext(&context_, &Fiber::entry, 0);
#endif
}

void Fiber::switch_between(Fiber& from, Fiber& to) {
  entering = &to;
  void* const globals = abi::__cxa_get_globals();
  std::memcpy(from.exceptions_, globals, sizeof(from.exceptions_));
  std::memcpy(globals, to.exceptions_, sizeof(to.exceptions_));
#if defined(__x86_64__)
  zmqloop_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#else
  ::swapcontext(&from.context_, &to.context_);
#endif
}

void Fiber::entry() { entering->body_(); }

}  // namespace zmqloop::schedule
