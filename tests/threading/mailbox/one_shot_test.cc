// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/one_shot.h"

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace zmqloop::one_shot {
namespace {

// The storage that a queue would provide.
class Storage {
 public:
  template <class F>
  explicit Storage(F&& f) : ops_(construct(bytes_, prepare(std::forward<F>(f)))) {}
  void run() { ops_(bytes_, Action::kRun); }
  void destroy() { ops_(bytes_, Action::kDestroy); }
  const std::type_info& type() { return *ops_(nullptr, Action::kType); }

 private:
  alignas(kAlignment) std::byte bytes_[kBytes];
  Ops ops_;
};

template <std::size_t bytes>
struct Sized {
  std::array<char, bytes> content{};
  void operator()() const {}
};

struct alignas(32) OverAligned {
  void operator()() const {}
};

struct ThrowsWhenMoved {
  ThrowsWhenMoved() = default;
  ThrowsWhenMoved(const ThrowsWhenMoved&) = default;
  ThrowsWhenMoved(ThrowsWhenMoved&&) noexcept(false) {}  // NOLINT: the test needs it
  void operator()() const {}
};

// Counts live objects and destructions; a moved-from object does not count.
class Tracked {
 public:
  explicit Tracked(int& alive, int& destroyed) : alive_(&alive), destroyed_(&destroyed) { ++alive; }
  Tracked(Tracked&& other) noexcept
      : alive_(std::exchange(other.alive_, nullptr)), destroyed_(other.destroyed_) {}
  Tracked& operator=(Tracked&&) = delete;
  ~Tracked() {
    if (alive_ == nullptr) return;
    --*alive_;
    ++*destroyed_;
  }

 private:
  int* alive_;
  int* destroyed_;
};

TEST(OneShot, KeepsWhatFitsInTheStorage) {
  EXPECT_TRUE(kFitsInline<Sized<48>>);
  EXPECT_TRUE(kFitsInline<std::unique_ptr<int>>);
  EXPECT_TRUE(kFitsInline<std::function<void()>>);
  const void* place = nullptr;
  Storage storage([&place, self = std::make_unique<int>()] { place = self.get(); });
  storage.run();
  EXPECT_NE(place, nullptr);
}

TEST(OneShot, BoxesWhatIsTooLargeTooAlignedOrThrowsWhenMoved) {
  EXPECT_FALSE(kFitsInline<Sized<49>>);
  EXPECT_FALSE(kFitsInline<OverAligned>);
  EXPECT_FALSE(kFitsInline<ThrowsWhenMoved>);
  EXPECT_TRUE((std::is_same_v<decltype(prepare(Sized<49>())), Boxed<Sized<49>>>));
  EXPECT_TRUE((std::is_same_v<decltype(prepare(OverAligned())), Boxed<OverAligned>>));
  EXPECT_TRUE((std::is_same_v<decltype(prepare(ThrowsWhenMoved())), Boxed<ThrowsWhenMoved>>));
  EXPECT_TRUE(kFitsInline<Boxed<Sized<4096>>>);
}

TEST(OneShot, RunsALargeCallableAtItsAlignment) {
  struct Probe {
    alignas(64) std::array<char, 100> content{};
    const void** place;
    void operator()() const { *place = this; }
  };
  const void* place = nullptr;
  Storage storage(Probe{{}, &place});
  storage.run();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 64, 0u);
}

TEST(OneShot, DestroysOnceWhenRun) {
  int alive = 0;
  int destroyed = 0;
  int alive_during = 0;
  Storage storage([&, tracked = Tracked(alive, destroyed)] { alive_during = alive; });
  EXPECT_EQ(alive, 1);
  storage.run();
  EXPECT_EQ(alive_during, 1);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(destroyed, 1);
}

TEST(OneShot, DestroysOnceWhenDropped) {
  int alive = 0;
  int destroyed = 0;
  Storage storage([tracked = Tracked(alive, destroyed)] { FAIL(); });
  storage.destroy();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(destroyed, 1);
}

TEST(OneShot, DestroysOnceWhenItThrows) {
  int alive = 0;
  int destroyed = 0;
  Storage storage([tracked = Tracked(alive, destroyed)] { throw std::runtime_error("run"); });
  EXPECT_THROW(storage.run(), std::runtime_error);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(destroyed, 1);
}

TEST(OneShot, DestroysABoxedCallableOnceInEachCase) {
  for (int way = 0; way < 3; ++way) {
    int alive = 0;
    int destroyed = 0;
    Storage storage([way, large = Sized<100>(), tracked = Tracked(alive, destroyed)] {
      large();
      if (way == 1) throw std::runtime_error("run");
    });
    EXPECT_EQ(alive, 1);
    if (way == 0) storage.run();
    if (way == 1) {
      EXPECT_THROW(storage.run(), std::runtime_error);
    }
    if (way == 2) storage.destroy();
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(destroyed, 1);
  }
}

TEST(OneShot, CopiesAnLvalueAndLeavesItAlone) {
  const auto shared = std::make_shared<int>(0);
  const auto callable = [shared] { ++*shared; };
  Storage storage(callable);
  EXPECT_EQ(shared.use_count(), 3);
  storage.run();
  EXPECT_EQ(shared.use_count(), 2);
  callable();
  EXPECT_EQ(*shared, 2);
}

TEST(OneShot, LetsTheCopyThrowBeforeAnythingIsConstructed) {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("copy"); }
    ThrowsWhenCopied(ThrowsWhenCopied&&) = default;
    void operator()() const {}
  };
  EXPECT_TRUE(kFitsInline<ThrowsWhenCopied>);
  const ThrowsWhenCopied callable;
  EXPECT_THROW(static_cast<void>(prepare(callable)), std::runtime_error);
}

int free_calls = 0;
void free_function() { ++free_calls; }

TEST(OneShot, TakesFunctionsAndFunctionPointers) {
  free_calls = 0;
  Storage by_name(free_function);
  Storage by_pointer(&free_function);
  by_name.run();
  by_pointer.run();
  EXPECT_EQ(free_calls, 2);
}

TEST(OneShot, CallsWhatCanOnlyBeCalledAsAnRvalue) {
  struct Once {
    int* calls;
    void operator()() && { ++*calls; }
  };
  int calls = 0;
  Storage storage(Once{&calls});
  storage.run();
  EXPECT_EQ(calls, 1);
}

TEST(OneShot, DropsWhatTheCallableReturns) {
  Storage storage([] { return std::string("dropped"); });
  storage.run();
}

TEST(OneShot, MovesBoundArgumentsIntoTheCall) {
  std::string seen;
  Storage storage(one_shot::bind(
      [&seen](std::unique_ptr<std::string> text, int n) { seen = *text + std::to_string(n); },
      std::make_unique<std::string>("n="), 7));
  storage.run();
  EXPECT_EQ(seen, "n=7");
}

TEST(OneShot, BindsDecayedCopiesUnlessGivenAReferenceWrapper) {
  int value = 1;
  const auto set = [](int& target) { target = 5; };
  Storage storage(one_shot::bind(set, std::ref(value)));
  storage.run();
  EXPECT_EQ(value, 5);
  std::string text = "before";
  std::string seen;
  Storage copied(one_shot::bind([&seen](const std::string& t) { seen = t; }, text));
  text = "after";
  copied.run();
  EXPECT_EQ(seen, "before");
}

TEST(OneShot, BindsMemberFunctionsToTheirObject) {
  struct Counter {
    int count = 0;
    void add(int n) { count += n; }
  };
  Counter counter;
  Storage storage(one_shot::bind(&Counter::add, &counter, 3));
  storage.run();
  EXPECT_EQ(counter.count, 3);
}

TEST(OneShot, BindingNothingIsTheCallableItself) {
  const auto callable = [] {};
  EXPECT_TRUE((std::is_same_v<decltype(one_shot::bind(callable)), decltype((callable))>));
}

TEST(OneShot, DetectsNullCallables) {
  EXPECT_TRUE(is_null(static_cast<void (*)()>(nullptr)));
  EXPECT_TRUE(is_null(std::function<void()>()));
  EXPECT_TRUE(is_null(static_cast<void (std::string::*)()>(nullptr)));
  EXPECT_FALSE(is_null(&free_function));
  EXPECT_FALSE(is_null(std::function<void()>(free_function)));
  EXPECT_FALSE(is_null([] {}));
  EXPECT_FALSE(is_null(&std::string::clear));
}

TEST(OneShot, ReportsTheTypeThatTheUserWrote) {
  const auto small = [] {};
  const auto large = [bytes = Sized<100>()] { bytes(); };
  const auto with_argument = [](int) {};
  const auto large_with_argument = [bytes = Sized<100>()](int) { bytes(); };
  const auto type_of = [](auto&& f) {
    Storage storage(std::forward<decltype(f)>(f));
    const std::type_info& type = storage.type();
    storage.destroy();
    return &type;
  };
  EXPECT_EQ(*type_of(small), typeid(small));
  EXPECT_EQ(*type_of(large), typeid(large));
  EXPECT_EQ(*type_of(one_shot::bind(with_argument, 1)), typeid(with_argument));
  EXPECT_EQ(*type_of(one_shot::bind(large_with_argument, 1)), typeid(large_with_argument));
}

}  // namespace
}  // namespace zmqloop::one_shot
