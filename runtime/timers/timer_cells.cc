// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/timers/timer_cells.h"

#include <new>
#include <stdexcept>

namespace zmqloop {

void TimerCells::Free::operator()(TimerCell* cells) const noexcept {
  ::operator delete (static_cast<void*>(cells), std::align_val_t{alignof(TimerCell)});
}

TimerCells::Chunk TimerCells::make_chunk(std::size_t cells) {
  void* memory = ::operator new (cells * sizeof(TimerCell), std::align_val_t{alignof(TimerCell)});
  return Chunk(static_cast<TimerCell*>(memory));  // untouched: a cell is written when it is used
}

void TimerCells::reserve(std::size_t count) {
  if (count > kMost) throw std::length_error("IOLoop: more than 2^31 timers");
  while (capacity() < count) {
    chunks_[used_chunks_] = make_chunk(kFirstChunk << used_chunks_);
    ++used_chunks_;
  }
}

void TimerCells::shrink(std::size_t count) noexcept {
  while (used_chunks_ > 0 && (kFirstChunk << (used_chunks_ - 1)) - kFirstChunk >= count) {
    chunks_[--used_chunks_].reset();
  }
}

}  // namespace zmqloop
