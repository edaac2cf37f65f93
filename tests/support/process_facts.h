// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reads facts about this process from /proc: its descriptors, its threads and their names.

#ifndef ZMQLOOP_TESTS_SUPPORT_PROCESS_FACTS_H_
#define ZMQLOOP_TESTS_SUPPORT_PROCESS_FACTS_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <set>
#include <string>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>

namespace zmqloop::testing {

inline std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

inline std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
inline std::size_t living_threads() { return entries_of("/proc/self/task"); }

// Returns the names of all threads.
inline std::multiset<std::string> thread_names() {
  std::multiset<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    names.insert(name);
  }
  return names;
}

// Returns a field of the status of one of this process's threads, such as "SigBlk".
inline std::string thread_status(pid_t thread, const std::string& field) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0)
      return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  }
  return {};
}

// Returns whether all other threads sleep: none runs, or waits for a core.
inline bool other_threads_sleep() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const pid_t thread = std::stoi(task.path().filename());
    if (thread != ::gettid() && thread_status(thread, "State").rfind('R', 0) == 0) return false;
  }
  return true;
}

// Returns the numbers of this process's epoll sets.
inline std::set<int> epoll_sets() {
  std::set<int> found;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(each.path(), gone).string();
    if (target == "anon_inode:[eventpoll]") found.insert(std::stoi(each.path().filename()));
  }
  return found;
}

// Returns the number of the epoll set that watches a descriptor; -1 if none does.
inline int epoll_set_that_watches(int descriptor) {
  for (const int set : epoll_sets()) {
    std::ifstream entries("/proc/self/fdinfo/" + std::to_string(set));
    for (std::string word; entries >> word;) {
      int watched = -1;
      if (word == "tfd:" && entries >> watched && watched == descriptor) return set;
    }
  }
  return -1;
}

// Yields to other threads until `condition` holds, at most a minute; returns whether it does. For
// events without a notification, such as a reaper thread that closes descriptors.
template <class F>
bool eventually(F&& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    ::sched_yield();
  }
  return true;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_PROCESS_FACTS_H_
