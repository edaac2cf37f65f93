// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/child_process.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace zmqloop::bench {
namespace {

// Starts `program` with its standard output going to `output`.
pid_t start(std::string program, std::string argument, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  std::array<char*, 3> arguments = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int error =
      posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), "start " + program);
  return child;
}

std::string read_all(int pipe) {
  std::string text;
  std::array<char, 256> part{};
  for (ssize_t length = 1; length > 0;) {
    length = read(pipe, part.data(), part.size());
    if (length > 0) text.append(part.data(), static_cast<std::size_t>(length));
  }
  return text;
}

}  // namespace

std::string run_self(std::string argument) {
  std::array<int, 2> pipe{};
  if (pipe2(pipe.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const pid_t child = start(program, argument, pipe[1]);
  close(pipe[1]);
  const std::string output = read_all(pipe[0]);
  close(pipe[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (status != 0) {
    throw std::runtime_error(program + " " + argument + " ended with status " +
                             std::to_string(status));
  }
  return output;
}

}  // namespace zmqloop::bench
