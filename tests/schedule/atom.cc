// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/atom.h"

#include "tests/schedule/failure.h"
#include "tests/schedule/scheduler.h"

namespace zmqloop::schedule {
namespace {

Bits read(const AtomAccess& atom) {
  Bits bits = 0;
  std::memcpy(&bits, atom.memory, atom.bytes);
  return bits;
}

void write(const AtomAccess& atom, Bits bits) { std::memcpy(atom.memory, &bits, atom.bytes); }

Bits result_of(Update update, Bits before, Bits operand) {
  switch (update) {
    case Update::kExchange:
      return operand;
    case Update::kAdd:
      return before + operand;
    case Update::kSubtract:
      return before - operand;
    case Update::kAnd:
      return before & operand;
    case Update::kOr:
      return before | operand;
  }
  __builtin_unreachable();
}

const char* name_of_update(Update update, std::memory_order order) {
  const bool is_relaxed = order == std::memory_order_relaxed;
  switch (update) {
    case Update::kExchange:
      return is_relaxed ? "exchange relaxed" : "exchange";
    case Update::kAdd:
      return is_relaxed ? "fetch_add relaxed" : "fetch_add";
    case Update::kSubtract:
      return is_relaxed ? "fetch_sub relaxed" : "fetch_sub";
    case Update::kAnd:
      return is_relaxed ? "fetch_and relaxed" : "fetch_and";
    case Update::kOr:
      return is_relaxed ? "fetch_or relaxed" : "fetch_or";
  }
  __builtin_unreachable();
}

// One operation of a simulated thread: first other threads may run, then the operation happens.
class Operation {
 public:
  Operation(Scheduler& scheduler, const AtomAccess& atom, std::memory_order order, bool is_update)
      : scheduler_(scheduler), atom_(atom), order_(order) {
    scheduler.note_site({atom.where, order, is_update});
    if (is_broken(Fault::kRelaxed)) order_ = std::memory_order_relaxed;
    wait_for_turn();
  }

  // Lets other threads run.
  void wait_for_turn() {
    scheduler_.step();
    scheduler_.races().require_alive(atom_.memory);
    scheduler_.keep_if_static(atom_.memory, atom_.bytes);
    latest_ = read(atom_);
  }
  bool is_broken(Fault fault) const { return scheduler_.is_broken(atom_.where, fault); }

  // The atomic's value when wait_for_turn() last returned.
  Bits latest() const { return latest_; }

  Bits load(std::memory_order order) {
    return scheduler_.atoms().load(atom_.memory, latest_, order, thread(), clock());
  }
  Bits load() { return load(order_); }
  void store(Bits value) {
    write(atom_, value);
    scheduler_.atoms().store(atom_.memory, latest_, read(atom_), order_, thread(), clock());
  }
  void exchange(Bits value) {
    write(atom_, value);
    scheduler_.atoms().exchange(atom_.memory, latest_, read(atom_), order_, thread(), clock());
  }
  void done(const char* operation, Bits after) {
    scheduler_.done({"", operation, atom_.memory, latest_, after, true, atom_.where});
  }

 private:
  std::size_t thread() const { return scheduler_.current(); }
  VectorClock& clock() const { return scheduler_.clock(); }

  const Inside inside_;
  Scheduler& scheduler_;
  const AtomAccess& atom_;
  std::memory_order order_;
  Bits latest_ = 0;
};

}  // namespace

void AtomAccess::construct(Bits value) const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return;
  const Inside inside;
  scheduler->atoms().construct(memory, value, scheduler->current(), scheduler->clock());
}

void AtomAccess::destroy() const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return;
  const Inside inside;
  scheduler->atoms().destroy(memory, scheduler->clock());
}

Bits AtomAccess::latest() const { return read(*this); }

Bits AtomAccess::load(std::memory_order order) const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return read(*this);
  Operation operation(*scheduler, *this, order, false);
  const Bits found = operation.load();
  operation.done(order == std::memory_order_relaxed ? "load relaxed" : "load", found);
  return found;
}

void AtomAccess::store(Bits value, std::memory_order order) const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return write(*this, value);
  Operation operation(*scheduler, *this, order, false);
  operation.store(value);
  operation.done(order == std::memory_order_relaxed ? "store relaxed" : "store", value);
}

Bits AtomAccess::update(Update update, Bits operand, std::memory_order order) const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) {
    const Bits before = read(*this);
    write(*this, result_of(update, before, operand));
    return before;
  }
  Operation operation(*scheduler, *this, order, true);
  if (operation.is_broken(Fault::kTorn)) {
    const Bits found = operation.load();
    operation.done("torn: reads", found);
    operation.wait_for_turn();
    operation.store(result_of(update, found, operand));
    operation.done("torn: writes", read(*this));
    return found;
  }
  operation.exchange(result_of(update, operation.latest(), operand));
  operation.done(name_of_update(update, order), read(*this));
  return operation.latest();
}

bool AtomAccess::compare_exchange(Bits& expected, Bits desired, std::memory_order success,
                                  std::memory_order failure) const {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) {
    const Bits before = read(*this);
    if (before == expected) write(*this, desired);
    return std::exchange(expected, before) == before;
  }
  Operation operation(*scheduler, *this, success, true);
  // A failing exchange is a load, and may return an older value like any other load.
  const Bits found = operation.load(failure);
  if (found != expected) {
    operation.done("exchanges not", found);
    expected = found;
    return false;
  }
  if (operation.is_broken(Fault::kTorn)) {
    operation.done("torn: compares", found);
    operation.wait_for_turn();
    operation.store(desired);
    operation.done("torn: writes", desired);
    return true;
  }
  if (operation.latest() != expected) {
    expected = operation.load(std::memory_order_seq_cst);
    operation.done("exchanges not", expected);
    return false;
  }
  operation.exchange(desired);
  operation.done("compare_exchange", desired);
  return true;
}

Mutex::~Mutex() { require(!locked_, "a mutex is destroyed while it is held"); }

void Mutex::lock() {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return;
  const Inside inside;
  scheduler->step();
  while (locked_) scheduler->block_on(this);
  locked_ = true;
  scheduler->clock().join(published_);
  scheduler->done({"", "lock", this});
}

void Mutex::unlock() {
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return;
  const Inside inside;
  published_ = scheduler->clock();
  locked_ = false;
  scheduler->wake(this);
  scheduler->done({"", "unlock", this});
}

}  // namespace zmqloop::schedule
