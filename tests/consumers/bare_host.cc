// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A program that does not use zmqloop itself, and loads plugins that do: all together, and in turn.
//
//   bare_host PLUGIN...

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <vector>

#include "expect.h"

namespace {

int (*use_of(void* plugin))() {
  void* const found = ::dlsym(plugin, "plugin_use");
  int (*use)() = nullptr;
  if (found != nullptr) std::memcpy(&use, &found, sizeof(use));
  return use;
}

}  // namespace

int main(int count, char** paths) {
  int failures = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> plugins;
    for (int i = 1; i < count; ++i) {
      plugins.push_back(::dlopen(paths[i], RTLD_NOW | RTLD_LOCAL));
      if (plugins.back() == nullptr) return std::fprintf(stderr, "%s\n", ::dlerror()), 1;
    }
    for (int turn = 0; turn < 2; ++turn) {
      for (void* const plugin : plugins) failures += use_of(plugin)();
    }
    for (void* const plugin : plugins) EXPECT(::dlclose(plugin) == 0);
  }
  return failures == 0 ? 0 : 1;
}
