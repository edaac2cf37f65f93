// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds data races on plain memory: two accesses, at least one a write, and neither happens before
// the other.
//
// A missing acquire or release shows here under any interleaving: a thread reads data that it is
// not ordered after. The compiler's instrumentation reports the accesses (instrumentation.cc).
//
// Threads: none.
// Errors: fail() on a race and on the use of freed memory.

#ifndef ZMQLOOP_TESTS_SCHEDULE_RACE_DETECTOR_H_
#define ZMQLOOP_TESTS_SCHEDULE_RACE_DETECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "tests/schedule/address_table.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

class RaceDetector {
 public:
  struct Access {
    const void* address;
    std::size_t bytes;
    const void* code;  // return address of the access
  };

  // Forgets everything, for a new schedule.
  void clear() { words_.clear(); }

  void read(const Access& access, std::size_t thread, const VectorClock& clock);
  void write(const Access& access, std::size_t thread, const VectorClock& clock);
  // Records a write that no other access may follow.
  void free(const Access& access, std::size_t thread, const VectorClock& clock);
  // Fails if the address was freed.
  void require_alive(const void* address);

 private:
  using Mask = std::uint8_t;  // bit i: byte i of a word

  struct Word {
    VectorClock read_at;  // each thread's last read; 0: none
    std::array<Mask, kMostThreads> read_bytes{};
    Mask written_bytes = 0;
    bool freed = false;
    std::uint8_t writer = 0;
    Time written_at = 0;
    const void* writing_code = nullptr;
    const void* reading_code = nullptr;
  };

  template <class F>
  void for_each_word(const Access& access, F f);
  static void check_against_write(const Word& word, Mask bytes, const Access& access,
                                  std::size_t thread, const VectorClock& clock);
  static void check_against_reads(const Word& word, Mask bytes, const Access& access,
                                  std::size_t thread, const VectorClock& clock);

  AddressTable<Word> words_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_RACE_DETECTOR_H_
