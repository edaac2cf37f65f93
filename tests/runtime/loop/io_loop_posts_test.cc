// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Posting: order, arguments, unusual callables, and where callables live and are destroyed.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

class IOLoopPosts : public OnBothPollers {
 protected:
  auto write(char letter) {
    return [this, letter] { log_ += letter; };
  }
  std::string log_;
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopPosts);

// ---- order ----

TEST_P(IOLoopPosts, OfOneThreadRunInOrder) {
  constexpr int kPosts = 10'000;
  std::vector<int> seen;
  std::thread poster([&] {
    for (int i = 0; i < kPosts; ++i) loop_.add_callback([&seen, i] { seen.push_back(i); });
    loop_.add_callback([this] { loop_.stop(); });
  });
  loop_.start();
  poster.join();
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kPosts));
  for (int i = 0; i < kPosts; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST_P(IOLoopPosts, OfSuccessiveThreadsRunInTheOrderOfTheThreads) {
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    loop_.add_callback(write(letter));
    std::thread([&] { loop_.add_callback(write(static_cast<char>(letter - 'a' + 'A'))); }).join();
  }
  run_one_iteration();
  EXPECT_EQ(log_, "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ");
}

TEST_P(IOLoopPosts, RunInTheOrderOfAHandOverBetweenThreads) {
  constexpr std::uint64_t kRounds = 20'000;
  std::atomic<std::uint64_t> turn{0};
  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  const auto post_every_second = [&](std::uint64_t parity) {
    for (std::uint64_t i = parity; i < kRounds; i += 2) {
      while (turn != i) std::this_thread::yield();
      loop_.add_callback([&, i] {
        if (next++ != i) ++wrong;
        if (i + 1 == kRounds) loop_.stop();
      });
      turn = i + 1;
    }
  };
  std::thread even(post_every_second, 0);
  std::thread odd(post_every_second, 1);
  loop_.start();
  even.join();
  odd.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(next, kRounds);
}

TEST_P(IOLoopPosts, OfTheLoopItselfTakeTheirTurnAmongThoseOfOthers) {
  loop_.add_callback([this] {
    std::thread([this] { loop_.add_callback(write('a')); }).join();
    loop_.add_callback(write('b'));
    std::thread([this] { loop_.add_callback(write('c')); }).join();
    loop_.add_callback(write('d'));
  });
  run_one_iteration();
  EXPECT_EQ(log_, "abcd");
}

TEST_P(IOLoopPosts, OfThreadsThatEndAtOnceAreAllRunInOrder) {
  int expected = 0;
  int wrong = 0;
  for (int i = 0; i < 2'000; ++i) {
    std::thread([&, i] {
      loop_.add_callback([&, i] { wrong += expected++ != 2 * i; });
      loop_.add_callback([&, i] { wrong += expected++ != 2 * i + 1; });
    }).join();
  }
  run_one_iteration();
  EXPECT_EQ(expected, 4'000);
  EXPECT_EQ(wrong, 0);
}

// ---- arguments and callables ----

void append(std::string& to, const std::string& text) { to += text; }

struct Writer {
  std::string text;
  void append(char letter) { text += letter; }
};

TEST_P(IOLoopPosts, BindArgumentsAsStdThreadDoes) {
  Writer writer;
  std::string original = "copied";
  loop_.add_callback(&append, std::ref(log_), original);
  loop_.add_callback(append, std::ref(log_), "+literal");
  loop_.add_callback(&Writer::append, &writer, 'w');
  loop_.add_callback(&Writer::append, std::ref(writer), 'v');
  loop_.add_callback([this](std::unique_ptr<int> moved) { log_ += std::to_string(*moved); },
                     std::make_unique<int>(7));
  loop_.spawn_callback([this](int a, int b) { log_ += std::to_string(a - b); }, 5, 2);
  original = "changed";
  run_one_iteration();
  EXPECT_EQ(log_, "copied+literal73");
  EXPECT_EQ(writer.text, "wv");
}

int calls_of_function = 0;
void function() { ++calls_of_function; }

struct OnlyOnce {
  std::string* log;
  void operator()() && { *log += 'r'; }
};

TEST_P(IOLoopPosts, TakeAnythingThatCanBeCalled) {
  calls_of_function = 0;
  loop_.add_callback(function);
  loop_.add_callback(&function);
  void (*const pointer)() = &function;
  loop_.add_callback(pointer);
  loop_.add_callback(OnlyOnce{&log_});
  loop_.add_callback([this, n = 0]() mutable { log_ += static_cast<char>('0' + ++n); });
  loop_.add_callback([this] { return log_ += 'i'; });  // results are ignored
  const auto constant = [this] { log_ += 'c'; };
  loop_.add_callback(constant);
  std::function<void()> copied = write('f');
  loop_.add_callback(copied);
  copied = nullptr;
  loop_.add_callback(std::function<void()>(write('g')));
  loop_.add_callback(absl::AnyInvocable<void()>(write('h')));
  loop_.add_callback([this, moved = std::make_unique<char>('u')] { log_ += *moved; });
  run_one_iteration();
  EXPECT_EQ(log_, "r1icfghu");
  EXPECT_EQ(calls_of_function, 3);
}

template <std::size_t kSize, std::size_t kAlign>
struct alignas(kAlign) Sized {
  std::string* log;
  unsigned char payload[kSize - sizeof(std::string*)];
  void operator()() const {
    const bool whole = payload[0] == 1 && payload[sizeof payload - 1] == 2;
    *log += whole && reinterpret_cast<std::uintptr_t>(this) % kAlign == 0 ? '+' : '-';
  }
  static Sized make(std::string& log) {
    Sized made{&log, {}};
    made.payload[0] = 1;
    made.payload[sizeof made.payload - 1] = 2;
    return made;
  }
};

TEST_P(IOLoopPosts, TakeCallablesOfAnySizeAndAlignment) {
  loop_.add_callback(Sized<24, 8>::make(log_));
  loop_.add_callback(Sized<48, 8>::make(log_));
  loop_.add_callback(Sized<48, 16>::make(log_));
  loop_.add_callback(Sized<56, 8>::make(log_));
  loop_.add_callback(Sized<64, 64>::make(log_));
  loop_.add_callback(Sized<64, 32>::make(log_));
  loop_.add_callback(Sized<4096, 256>::make(log_));
  loop_.add_callback(Sized<100'000, 8>::make(log_));
  run_one_iteration();
  EXPECT_EQ(log_, "++++++++");
}

TEST_P(IOLoopPosts, RefuseNullCallablesOfEveryKind) {
  void (*const null_function)() = nullptr;
  void (*const null_with_argument)(int) = nullptr;
  void (Writer::*const null_member)(char) = nullptr;
  const std::function<void()> null_std;
  Writer writer;
  EXPECT_THROW(loop_.add_callback(null_function), std::invalid_argument);
  EXPECT_THROW(loop_.add_callback(null_with_argument, 1), std::invalid_argument);
  EXPECT_THROW(loop_.add_callback(null_member, &writer, 'x'), std::invalid_argument);
  EXPECT_THROW(loop_.add_callback(null_std), std::invalid_argument);
  EXPECT_THROW(loop_.add_callback(absl::AnyInvocable<void()>()), std::invalid_argument);
  EXPECT_THROW(loop_.spawn_callback(null_std), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(loop_.submit(null_std)), std::invalid_argument);
  EXPECT_THROW(loop_.run_sync(null_std), std::invalid_argument);
  EXPECT_THROW(loop_.add_timeout(1s, null_std), std::invalid_argument);
  EXPECT_THROW(loop_.call_later(1s, null_function), std::invalid_argument);
  EXPECT_THROW(loop_.call_at(loop_.time(), null_function), std::invalid_argument);
  EXPECT_THROW(loop_.add_handler(0, null_std, IOLoop::kRead), std::invalid_argument);
  EXPECT_FALSE(loop_.add_callback_from_signal(null_function));
  EXPECT_EQ(loop_.stats().pending, 0u);
  EXPECT_EQ(loop_.close(), CloseReport());
}

struct ThrowsWhenCopied {
  explicit ThrowsWhenCopied(std::string& to) : log(&to) {}
  ThrowsWhenCopied(const ThrowsWhenCopied& other) : log(other.log) {
    throw std::runtime_error("copy");
  }
  ThrowsWhenCopied(ThrowsWhenCopied&& other) noexcept : log(other.log) {}
  void operator()() const { *log += 't'; }
  std::string* log;
};

struct ThrowsWhenMoved {
  explicit ThrowsWhenMoved(std::string& to) : log(&to) {}
  ThrowsWhenMoved(const ThrowsWhenMoved&) = default;
  ThrowsWhenMoved(ThrowsWhenMoved&&) { throw std::runtime_error("move"); }
  void operator()() const { *log += 'm'; }
  std::string* log;
};

TEST_P(IOLoopPosts, Rel_D6_GiveThePosterWhatCopyingOrMovingThrowsAndQueueNothing) {
  const ThrowsWhenCopied copied(log_);
  ThrowsWhenMoved moved(log_);
  loop_.add_callback(write('a'));
  EXPECT_EQ(error_of<std::runtime_error>([&] { loop_.add_callback(copied); }), "copy");
  loop_.add_callback(write('b'));
  EXPECT_EQ(error_of<std::runtime_error>([&] { loop_.add_callback(std::move(moved)); }), "move");
  loop_.add_callback(ThrowsWhenCopied(log_));
  loop_.add_callback(moved);  // copied; boxed, because moving may throw
  loop_.add_callback(write('c'));
  EXPECT_EQ(loop_.stats().pending, 5u);
  run_one_iteration();
  EXPECT_EQ(log_, "abtmc");
}

// ---- life and death ----

TEST_P(IOLoopPosts, AreDestroyedOnTheLoopThreadAfterTheyRanAndBeforeTheNext) {
  std::thread::id destroyed_on;
  std::thread poster([&] {
    loop_.add_callback([this, end = AtDestruction([&] {
                                destroyed_on = std::this_thread::get_id();
                                log_ += 'd';
                              })] { log_ += 'a'; });
    loop_.add_callback(write('b'));
  });
  poster.join();
  EXPECT_EQ(log_, "");
  run_one_iteration();
  EXPECT_EQ(log_, "adb");
  EXPECT_EQ(destroyed_on, std::this_thread::get_id());
}

TEST_P(IOLoopPosts, Rel_C7_MayBeMadeByTheDestructorOfACallback) {
  loop_.add_callback([end = AtDestruction([this] {
                        log_ += 'd';
                        EXPECT_TRUE(loop_.add_callback(write('c')));
                      })] {});
  loop_.add_callback(write('b'));
  run_one_iteration();
  EXPECT_EQ(log_, "dbc");
}

// Posts whenever it is moved, for example into the queue.
struct PostsWhenMoved {
  PostsWhenMoved(IOLoop& to, int& count) : loop(&to), posts(&count) {}
  PostsWhenMoved(PostsWhenMoved&& other) noexcept : loop(other.loop), posts(other.posts) {
    loop->add_callback([count = posts] { ++*count; });
    ++made;
  }
  void operator()() const { *posts += 1'000; }
  IOLoop* loop;
  int* posts;
  static inline int made = 0;
};

TEST_P(IOLoopPosts, MayBeMadeByTheMoveOfACallback) {
  int posts = 0;
  PostsWhenMoved::made = 0;
  for (int i = 0; i < 100; ++i) loop_.add_callback(PostsWhenMoved(loop_, posts));
  run_one_iteration();
  EXPECT_GT(PostsWhenMoved::made, 0);
  EXPECT_EQ(posts, 100'000 + PostsWhenMoved::made);
}

// If thread_local, calls a function when its thread ends.
struct AtThreadExit {
  ~AtThreadExit() {
    if (f) f();
  }
  std::function<void()> f;
};

TEST_P(IOLoopPosts, Rel_M5_MayBeMadeByAThreadThatIsBeingDestroyed) {
  const auto post = [this] { EXPECT_TRUE(loop_.add_callback(write('e'))); };
  // Made before and after the thread's first post, destroyed in the opposite order.
  for (const bool before : {true, false}) {
    std::thread([&] {
      static thread_local AtThreadExit early;
      if (before) early.f = post;
      loop_.add_callback(write('a'));
      static thread_local AtThreadExit late;
      if (!before) late.f = post;
    }).join();
  }
  run_one_iteration();
  EXPECT_EQ(log_, "aeae");
}

// A loop's owner may destroy it as soon as the last callback has run. The poster of that callback
// may not have returned from add_callback yet.
TEST_P(IOLoopPosts, Rel_B4_MayBeTheLastThingThatHappensToTheLoop) {
  for (int round = 0; round < 500; ++round) {
    auto loop = std::make_unique<IOLoop>(options());
    IOLoop* const posted_to = loop.get();
    std::thread poster(
        [posted_to] { posted_to->add_callback([posted_to] { posted_to->stop(); }); });
    loop->start();
    loop.reset();
    poster.join();
  }
}

TEST_P(IOLoopPosts, OfAnEndingThreadMayBeTheLastThingThatHappensToTheLoop) {
  for (int round = 0; round < 500; ++round) {
    auto loop = std::make_unique<IOLoop>(options());
    IOLoop* const posted_to = loop.get();
    std::thread poster([posted_to] {
      static thread_local AtThreadExit last;
      last.f = [posted_to] { posted_to->add_callback([posted_to] { posted_to->stop(); }); };
      posted_to->add_callback([] {});  // the thread's record of the loop is gone before `last`
    });
    loop->start();
    loop.reset();
    poster.join();
  }
}

TEST_P(IOLoopPosts, BySignalOrStopMayBeTheLastThingThatHappensToTheLoop) {
  for (int round = 0; round < 500; ++round) {
    auto loop = std::make_unique<IOLoop>(options());
    IOLoop* const posted_to = loop.get();
    std::thread poster([posted_to, round] {
      if (round % 2 == 0) {
        posted_to->stop();
      } else {
        posted_to->add_callback_from_signal([posted_to] { posted_to->stop(); });
      }
    });
    loop->start();
    loop.reset();
    poster.join();
  }
}

}  // namespace
}  // namespace zmqloop::testing
