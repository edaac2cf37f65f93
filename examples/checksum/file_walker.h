// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds the regular files below some paths, a few directory entries at a time, as
// `find PATH… -type f` does.
//
//   FileWalker walker({"/usr/include"});
//   while (!walker.finished()) use(walker.walk(256));
//
// Symbolic links are not followed, neither below a path nor as one; "link/" names the directory
// behind the link. What is found is named PATH/…, with PATH as it was given; what two paths both
// lead to is found twice. FIFOs, sockets and devices are passed over.
//
// Threads: one at a time.
// Owns: at most one open directory, and the names of those still to be read.
// Errors: values: what cannot be read is reported beside what was found, and the walk goes on.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_FILE_WALKER_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_FILE_WALKER_H_

#include <cstddef>
#include <dirent.h>
#include <memory>
#include <string>
#include <vector>

#include "examples/checksum/file_error.h"

namespace checksum {

class FileWalker {
 public:
  struct Found {
    std::vector<std::string> files;
    std::vector<FileError> errors;
  };

  explicit FileWalker(std::vector<std::string> paths);

  // Returns what is found by looking at up to `entries` more directory entries; in no order.
  // Blocks on the disk for as many.
  Found walk(std::size_t entries);

  // Returns whether everything was looked at.
  bool finished() const { return directory_ == nullptr && directories_.empty() && paths_.empty(); }

 private:
  struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };

  void look_at_path(std::string path, Found& found);
  void open_directory(std::string path, Found& found);
  void read_entry(Found& found);

  std::vector<std::string> paths_;                  // not looked at yet, the next one last
  std::vector<std::string> directories_;            // found, and not read yet
  std::unique_ptr<DIR, CloseDirectory> directory_;  // being read
  std::string prefix_;                              // of the names in it: its own, and a slash
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_FILE_WALKER_H_
