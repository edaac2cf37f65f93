// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What a host finds in a plugin by dlsym().

#ifndef ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_
#define ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_

#include <typeinfo>

namespace zmqloop {
class IOLoop;
}  // namespace zmqloop

// What exists once in a process, as the plugin sees it.
struct Identities {
  const void* posting_thread;
  const std::type_info* loop;
  const std::type_info* poller;
  const std::type_info* closed_error;
  const std::type_info* timeout_error;
};

extern "C" {
// Uses a loop within the plugin, from beginning to end; returns how much was wrong.
[[gnu::visibility("default")]] int plugin_use();

// The same together with a host that is linked with the same zmqloop.
[[gnu::visibility("default")]] zmqloop::IOLoop* plugin_begin();
[[gnu::visibility("default")]] void plugin_identities(Identities* seen);
[[gnu::visibility("default")]] int plugin_post_back(zmqloop::IOLoop* host, int count);
[[gnu::visibility("default")]] int plugin_in_loop_thread();
[[gnu::visibility("default")]] void plugin_throw(int which);
[[gnu::visibility("default")]] int plugin_end();
}

#endif  // ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_
