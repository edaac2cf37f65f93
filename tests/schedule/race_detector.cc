// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/race_detector.h"

#include <algorithm>
#include <string>

#include "tests/schedule/failure.h"
#include "tests/schedule/program_address.h"

namespace zmqloop::schedule {
namespace {

constexpr std::uintptr_t kWord = 8;

[[noreturn]] void report(const char* what, const void* address, const void* code,
                         const void* earlier) {
  fail(std::string(what) + " " + describe_object(address) + "\n  now at " + describe_code(code) +
       "\n  before at " + describe_code(earlier));
}

}  // namespace

template <class F>
void RaceDetector::for_each_word(const Access& access, F f) {
  const auto begin = reinterpret_cast<std::uintptr_t>(access.address);
  const std::uintptr_t end = begin + access.bytes;
  for (std::uintptr_t word = begin / kWord * kWord; word < end; word += kWord) {
    const std::uintptr_t from = std::max(begin, word) - word;
    const std::uintptr_t to = std::min(end - word, kWord);
    bool is_new;
    f(words_.find_or_add(word, is_new),
      static_cast<Mask>((0xffu << from) & (0xffu >> (kWord - to))));
  }
}

void RaceDetector::read(const Access& access, std::size_t thread, const VectorClock& clock) {
  for_each_word(access, [&](Word& word, Mask bytes) {
    const Time now = clock.of(thread);
    if (word.read_at.of(thread) == now && (bytes & ~word.read_bytes[thread]) == 0) return;
    check_against_write(word, bytes, access, thread, clock);
    word.read_bytes[thread] =
        static_cast<Mask>(word.read_at.of(thread) == now ? word.read_bytes[thread] | bytes : bytes);
    word.read_at.set(thread, now);
    word.reading_code = access.code;
  });
}

void RaceDetector::write(const Access& access, std::size_t thread, const VectorClock& clock) {
  for_each_word(access, [&](Word& word, Mask bytes) {
    const Time now = clock.of(thread);
    const bool same = word.writer == thread && word.written_at == now;
    if (same && (bytes & ~word.written_bytes) == 0) return;
    check_against_write(word, bytes, access, thread, clock);
    check_against_reads(word, bytes, access, thread, clock);
    word.written_bytes = static_cast<Mask>(same ? word.written_bytes | bytes : bytes);
    word.writer = static_cast<std::uint8_t>(thread);
    word.written_at = now;
    word.writing_code = access.code;
  });
}

void RaceDetector::free(const Access& access, std::size_t thread, const VectorClock& clock) {
  for_each_word(access, [&](Word& word, Mask bytes) {
    check_against_write(word, bytes, access, thread, clock);
    check_against_reads(word, bytes, access, thread, clock);
    word.freed = true;
    word.writing_code = access.code;
  });
}

void RaceDetector::require_alive(const void* address) {
  const Word* const word = words_.find(reinterpret_cast<std::uintptr_t>(address) / kWord * kWord);
  if (word != nullptr && word->freed) {
    report("an atomic was used after it was freed:", address, nullptr, word->writing_code);
  }
}

void RaceDetector::check_against_write(const Word& word, Mask bytes, const Access& access,
                                       std::size_t thread, const VectorClock& clock) {
  if (word.freed) {
    report("memory was used after it was freed:", access.address, access.code, word.writing_code);
  }
  if (word.writer != thread && (word.written_bytes & bytes) != 0 &&
      !clock.has_seen(word.writer, word.written_at)) {
    report("a data race with another thread's write:", access.address, access.code,
           word.writing_code);
  }
}

void RaceDetector::check_against_reads(const Word& word, Mask bytes, const Access& access,
                                       std::size_t thread, const VectorClock& clock) {
  if (clock.has_seen_all(word.read_at)) return;
  for (std::size_t other = 0; other < kMostThreads; ++other) {
    if (other != thread && (word.read_bytes[other] & bytes) != 0 &&
        !clock.has_seen(other, word.read_at.of(other))) {
      report("a data race with another thread's read:", access.address, access.code,
             word.reading_code);
    }
  }
}

}  // namespace zmqloop::schedule
