// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds the regular files below some paths, as `find PATH… -type f` does, but a few directory
// entries at a time.
//
//   FileWalker walker({"/usr/include"});
//   while (!walker.finished()) use(walker.walk(256));
//
// Symbolic links are not followed, neither below a path nor as a path; "link/" names the directory
// behind the link. Found files are named PATH/…, with PATH as it was given; a file that two paths
// lead to is found twice. FIFOs, sockets and devices are skipped.
//
// Threads: one at a time.
// Owns: at most one open directory, and the names of the directories still to be read.
// Errors: values: unreadable paths are reported beside the found files, and the walk goes on.

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

  // Examines up to `entries` more directory entries, and returns the files and errors found there,
  // in no order. Blocks on the disk meanwhile.
  Found walk(std::size_t entries);

  // Returns whether the whole walk is done.
  bool finished() const { return directory_ == nullptr && directories_.empty() && paths_.empty(); }

 private:
  struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };

  void look_at_path(std::string path, Found& found);
  void open_directory(std::string path, Found& found);
  void read_entry(Found& found);

  std::vector<std::string> paths_;                  // not examined yet, the next one last
  std::vector<std::string> directories_;            // found, but not read yet
  std::unique_ptr<DIR, CloseDirectory> directory_;  // being read
  std::string prefix_;                              // of the names in it: its path and a slash
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_FILE_WALKER_H_
