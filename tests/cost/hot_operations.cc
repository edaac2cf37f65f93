// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Repeats hot operations of the library, so that tools/check_cost can count their instructions.
//
//   hot_operations --list      prints the build, then for each operation: name, small and large
//                              size, repetitions per unit of size
//   hot_operations NAME SIZE   repeats one operation
//
// Exit status: 0 done; 1 failed, with a message; 2 wrong usage.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string_view>

#include "tests/cost/operation.h"
#include "tests/cost/payload.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::cost {
namespace {

// Counts differ with another compiler, and with flags other than those of --config=opt.
#if defined(__clang__)
constexpr const char* kCompiler = "clang++ " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif
#if defined(__x86_64__)
constexpr const char* kMachine = "x86_64";
#elif defined(__aarch64__)
constexpr const char* kMachine = "aarch64";
#else
constexpr const char* kMachine = "another machine";
#endif
#if defined(__OPTIMIZE__) && defined(NDEBUG) && defined(_GLIBCXX_ASSERTIONS) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
constexpr const char* kBuild = "opt";
#else
constexpr const char* kBuild = "other";
#endif

template <class F>
void for_each_operation(F f) {
  for (const auto operations :
       {post_operations(), timer_operations(), handler_operations(), future_operations()}) {
    for (const Operation& operation : operations) f(operation);
  }
}

int list() {
  std::printf("compiler %s, %s\nbuild %s\n", kCompiler, kMachine, kBuild);
  for_each_operation([](const Operation& each) {
    std::printf("%s %d %d %d\n", each.name, each.small, each.large, each.times_per_unit);
  });
  return 0;
}

// The first loop of a process reads the number of cores, and later loops reuse it.
void start_a_loop() {
  IOLoop loop(without_spinning());
  loop.stop();
  loop.start();
}

int run(std::string_view name, int size) {
  const Operation* found = nullptr;
  for_each_operation([&](const Operation& each) {
    if (each.name == name) found = &each;
  });
  if (found == nullptr || size <= 0) return 2;
  try {
    start_a_loop();
    found->run(size);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hot_operations %s: %s\n", found->name, error.what());
    return 1;
  }
}

}  // namespace
}  // namespace zmqloop::cost

int main(int argc, char** argv) {
  int status = 2;
  if (argc == 2 && std::string_view(argv[1]) == "--list") status = zmqloop::cost::list();
  if (argc == 3) status = zmqloop::cost::run(argv[1], std::atoi(argv[2]));
  if (status == 2) std::fputs("usage: hot_operations --list | NAME SIZE\n", stderr);
  return status;
}
