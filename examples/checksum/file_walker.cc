// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/file_walker.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace checksum {
namespace {

FileError last_error(std::string path) {
  return {std::move(path), std::error_code(errno, std::generic_category())};
}

std::string take_last(std::vector<std::string>& names) {
  std::string name = std::move(names.back());
  names.pop_back();
  return name;
}

// Returns the entry's type as DT_…. Most file systems give it with the name; else we ask fstatat().
int type_of(DIR* directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type;
  struct stat status;
  if (::fstatat(::dirfd(directory), entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return DT_UNKNOWN;
  }
  return IFTODT(status.st_mode);
}

}  // namespace

FileWalker::FileWalker(std::vector<std::string> paths) : paths_(std::move(paths)) {
  std::ranges::reverse(paths_);
}

FileWalker::Found FileWalker::walk(std::size_t entries) {
  Found found;
  for (; entries > 0 && !finished(); --entries) {
    if (directory_ != nullptr) {
      read_entry(found);
    } else if (!directories_.empty()) {
      open_directory(take_last(directories_), found);
    } else {
      look_at_path(take_last(paths_), found);
    }
  }
  return found;
}

void FileWalker::look_at_path(std::string path, Found& found) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) {
    found.errors.push_back(last_error(std::move(path)));
  } else if (S_ISDIR(status.st_mode)) {
    directories_.push_back(std::move(path));
  } else if (S_ISREG(status.st_mode)) {
    found.files.push_back(std::move(path));
  }
}

void FileWalker::open_directory(std::string path, Found& found) {
  // O_NOFOLLOW: it is an error if a link has replaced the directory since the walk found it. A path
  // given with a slash at its end is still followed.
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) directory_.reset(::fdopendir(fd));
  if (directory_ == nullptr) {
    found.errors.push_back(last_error(path));
    if (fd >= 0) ::close(fd);
    return;
  }
  prefix_ = std::move(path);
  if (!prefix_.ends_with('/')) prefix_ += '/';
}

void FileWalker::read_entry(Found& found) {
  errno = 0;  // readdir() returns null both at the end and on errors
  const dirent* const entry = ::readdir(directory_.get());
  if (entry == nullptr) {
    if (errno != 0) found.errors.push_back(last_error(prefix_));
    directory_.reset();
    return;
  }
  const std::string_view name = entry->d_name;
  if (name == "." || name == "..") return;
  switch (type_of(directory_.get(), *entry)) {
    case DT_REG:
      found.files.push_back(prefix_ + entry->d_name);
      break;
    case DT_DIR:
      directories_.push_back(prefix_ + entry->d_name);
      break;
    case DT_UNKNOWN:
      found.errors.push_back(last_error(prefix_ + entry->d_name));
      break;
    default:
      break;
  }
}

}  // namespace checksum
