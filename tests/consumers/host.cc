// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A program that uses zmqloop and loads a plugin that uses it too: both share one libzmqloop.so.
//
//   host PLUGIN
//
// Loops, posts, exceptions and types cross the boundary in both directions. Then the plugin is
// really unloaded, and loaded again.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>
#include <thread>
#include <vector>

#include "expect.h"
#include "plugin.h"

#include "zmqloop/zmqloop.h"

namespace {

using std::chrono::seconds;

constexpr int kPosters = 3;
constexpr int kPosts = 20'000;

int failures = 0;

// A loaded plugin; finds its functions by their names in plugin.h.
class Plugin {
 public:
  explicit Plugin(const char* path) : handle_(::dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin() { EXPECT(::dlclose(handle_) == 0); }

  template <class F>
  F* find(const char* name) const {
    void* const found = ::dlsym(handle_, name);
    if (found == nullptr) throw std::runtime_error(::dlerror());
    F* function;
    static_assert(sizeof(function) == sizeof(found));
    std::memcpy(&function, &found, sizeof(function));
    return function;
  }

 private:
  void* const handle_;
};
#define CALL(plugin, name) (plugin).find<decltype(name)>(#name)

void compare_identities(const Plugin& plugin) {
  Identities there{};
  CALL(plugin, plugin_identities)(&there);
  EXPECT(there.posting_thread == &zmqloop::per_thread<zmqloop::PostingThread>());
  EXPECT(there.loop == &typeid(zmqloop::IOLoop));
  EXPECT(there.poller == &typeid(zmqloop::Poller));
  EXPECT(there.closed_error == &typeid(zmqloop::LoopClosedError));
  EXPECT(there.timeout_error == &typeid(zmqloop::TimeoutError));
}

// Threads of the host post to the plugin's loop, which runs every post.
void post_to(zmqloop::IOLoop& loop, const Plugin& plugin) {
  std::atomic<int> run{0};
  std::vector<std::thread> posters;
  for (int i = 0; i < kPosters; ++i) {
    posters.emplace_back([&loop, &run] {
      for (int post = 0; post < kPosts; ++post) loop.add_callback([&run] { ++run; });
    });
  }
  for (std::thread& poster : posters) poster.join();
  EXPECT(loop.submit([&run] { return run.load(); }).get(seconds(60)) == kPosters * kPosts);

  const auto in_loop_thread = CALL(plugin, plugin_in_loop_thread);
  EXPECT(loop.submit([&loop] { return loop.in_loop_thread(); }).get(seconds(5)));
  EXPECT(loop.submit([in_loop_thread] { return in_loop_thread(); }).get(seconds(5)) == 1);
  EXPECT(in_loop_thread() == 0);
}

// The plugin posts to the host's loop from its own loop.
void post_back(zmqloop::IOLoop& loop, const Plugin& plugin) {
  zmqloop::IOLoop own;
  const auto post = CALL(plugin, plugin_post_back);
  const auto accepted = loop.submit([post, &own] { return post(&own, kPosts); });
  own.start();
  EXPECT(accepted.get(seconds(5)) == kPosts);
  EXPECT(own.stats().callbacks_run == kPosts);
}

template <class Error>
void catch_from(const Plugin& plugin, int which) {
  try {
    CALL(plugin, plugin_throw)(which);
    EXPECT(!"an exception was expected");
  } catch (const Error& error) {
    EXPECT(typeid(error) == typeid(Error));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caught as another type: %s\n", error.what());
    EXPECT(!"it was caught");
  }
}

void use(const char* path) {
  const Plugin plugin(path);
  failures += CALL(plugin, plugin_use)();
  compare_identities(plugin);
  zmqloop::IOLoop& loop = *CALL(plugin, plugin_begin)();
  EXPECT(dynamic_cast<zmqloop::IOLoop*>(&loop) == &loop);
  EXPECT(typeid(loop) == typeid(zmqloop::IOLoop));
  post_to(loop, plugin);
  post_back(loop, plugin);
  catch_from<zmqloop::LoopClosedError>(plugin, 0);
  catch_from<zmqloop::TimeoutError>(plugin, 1);
  catch_from<zmqloop::BrokenPromiseError>(plugin, 2);
  EXPECT(CALL(plugin, plugin_end)() == 0);
}

}  // namespace

int main(int, char** arguments) try {
  zmqloop::LoopThread mine("host");
  for (int round = 0; round < 3; ++round) {
    use(arguments[1]);
    EXPECT(::dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) == nullptr);
    EXPECT(mine.loop().submit([&mine] { return mine.loop().in_loop_thread(); }).get(seconds(5)));
  }
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "host: %s\n", error.what());
  return 1;
}
