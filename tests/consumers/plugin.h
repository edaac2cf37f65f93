// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Declares the functions that a host finds in a plugin by dlsym().

#ifndef ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_
#define ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_

#include <typeinfo>

namespace zmqloop {
class IOLoop;
}  // namespace zmqloop

// Addresses of objects that must exist once per process, as the plugin sees them.
struct Identities {
  const void* posting_thread;
  const std::type_info* loop;
  const std::type_info* poller;
  const std::type_info* closed_error;
  const std::type_info* timeout_error;
};

extern "C" {
// Uses loops inside the plugin, from beginning to end; returns the number of failures.
[[gnu::visibility("default")]] int plugin_use();

// For use by a host that is linked with the same zmqloop: both use each other's loops.
[[gnu::visibility("default")]] zmqloop::IOLoop* plugin_begin();
[[gnu::visibility("default")]] void plugin_identities(Identities* seen);
[[gnu::visibility("default")]] int plugin_post_back(zmqloop::IOLoop* host, int count);
[[gnu::visibility("default")]] int plugin_in_loop_thread();
[[gnu::visibility("default")]] void plugin_throw(int which);
[[gnu::visibility("default")]] int plugin_end();
}

#endif  // ZMQLOOP_TESTS_CONSUMERS_PLUGIN_H_
