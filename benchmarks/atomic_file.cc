// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/atomic_file.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace zmqloop::bench {
namespace {

[[noreturn]] void fail(const std::string& name, int error) {
  throw std::system_error(error, std::generic_category(), "cannot write " + name);
}

// A file descriptor that is closed on every way out.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool is_open() const { return fd_ >= 0; }

  // On failure these return false and set errno.
  bool write_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0 && errno != EINTR) return false;
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  bool sync() const { return ::fsync(fd_) == 0; }

 private:
  const int fd_;
};

// A file beside the target. The destructor deletes it unless it has replaced the target.
class Beside {
 public:
  explicit Beside(const std::string& target)
      : path_(target + "." + std::to_string(::getpid()) + ".tmp"),
        file_(path_, O_WRONLY | O_CREAT | O_EXCL) {}
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  ~Beside() {
    if (file_.is_open() && !moved_) ::unlink(path_.c_str());
  }
  const OpenFile& file() const { return file_; }
  bool move_to(const std::string& target) {
    moved_ = std::rename(path_.c_str(), target.c_str()) == 0;
    return moved_;
  }

 private:
  const std::string path_;
  const OpenFile file_;
  bool moved_ = false;
};

}  // namespace

AtomicFile::AtomicFile(std::string name) : name_(std::move(name)), target_(name_), replace_(true) {
  struct stat found = {};
  if (::stat(name_.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) fail(name_, EISDIR);
    if (::access(name_.c_str(), W_OK) != 0) fail(name_, errno);
    replace_ = S_ISREG(found.st_mode);
    if (replace_) target_ = std::filesystem::canonical(name_).string();
  } else if (errno != ENOENT || name_.empty()) {
    fail(name_, errno);
  }
  if (replace_ && !Beside(target_).file().is_open()) fail(name_, errno);
}

void AtomicFile::write(std::string_view text) const {
  if (!replace_) {
    const OpenFile file(target_, O_WRONLY);
    if (!file.is_open() || !file.write_all(text)) fail(name_, errno);
    return;
  }
  Beside beside(target_);
  const OpenFile& file = beside.file();
  if (!file.is_open() || !file.write_all(text) || !file.sync() || !beside.move_to(target_)) {
    fail(name_, errno);
  }
}

}  // namespace zmqloop::bench
