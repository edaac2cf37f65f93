// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Memory for the callables of timers: numbered cells whose addresses never change.
//
// Cells stand in chunks that double in size: the highest bit of a cell's number names its chunk. So
// a queue with few timers costs little, and the memory of a burst is given back chunk by chunk.
//
// Threads: none of its own; one thread at a time.
// Owns: the chunks; objects constructed in the cells are the caller's.
// Errors: reserve() throws std::bad_alloc, or std::length_error beyond kMost, with nothing changed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMER_CELLS_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMER_CELLS_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// A callable and its operations, on one cache line.
struct alignas(64) TimerCell {
  alignas(one_shot::kAlignment) std::byte storage[one_shot::kBytes];
  one_shot::Ops ops;
};
static_assert(sizeof(TimerCell) == 64);

class TimerCells {
 public:
  // Maximum number of cells. One bit of a cell's number stays free for callers.
  static constexpr std::size_t kMost = (std::size_t{1} << 31) - 32;

  TimerCells() = default;
  TimerCells(const TimerCells&) = delete;
  TimerCells& operator=(const TimerCells&) = delete;

  TimerCell& operator[](std::uint32_t number) noexcept {
    const std::uint64_t shifted = std::uint64_t{number} + kFirstChunk;
    const auto chunk = static_cast<std::size_t>(std::bit_width(shifted) - 1 - kFirstChunkBits);
    return chunks_[chunk][static_cast<std::size_t>(shifted - (kFirstChunk << chunk))];
  }

  // Returns how many cells there is memory for.
  std::size_t capacity() const noexcept { return (kFirstChunk << used_chunks_) - kFirstChunk; }
  // Makes sure that there is memory for `count` cells.
  void reserve(std::size_t count);
  // Frees the chunks that `count` cells do not need. None of the cells beyond may be in use.
  void shrink(std::size_t count) noexcept;

 private:
  static constexpr int kFirstChunkBits = 4;
  static constexpr std::size_t kFirstChunk = std::size_t{1} << kFirstChunkBits;
  static constexpr std::size_t kMostChunks = 27;
  static_assert((kFirstChunk << kMostChunks) - kFirstChunk >= kMost);

  struct Free {
    ZMQLOOP_EXPORT void operator()(TimerCell* cells) const noexcept;
  };
  using Chunk = std::unique_ptr<TimerCell[], Free>;
  static Chunk make_chunk(std::size_t cells);

  std::size_t used_chunks_ = 0;
  std::array<Chunk, kMostChunks> chunks_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMER_CELLS_H_
