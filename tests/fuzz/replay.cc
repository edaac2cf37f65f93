// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs a fuzzer's function over the files of a corpus without a fuzzer: with any compiler, under
// any sanitizer.
//
//   loop_calls_replay FOLDER...
//
// Exit status: 0 every file was run; 2 there are no files, or one cannot be read. A broken promise
// ends the process after the name of the file is printed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::filesystem::path> files;
  for (const auto& folder : folders) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Returns whether the file could be read. Prints the name first, as the run may end the process.
bool replay(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> text((std::istreambuf_iterator<char>(stream)), {});
  if (stream.bad()) return false;
  std::printf("%s\n", file.filename().c_str());
  std::fflush(stdout);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return true;
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::filesystem::path> files = files_of({words + 1, words + count});
  for (const auto& file : files) {
    if (replay(file)) continue;
    std::fprintf(stderr, "cannot read %s\n", file.c_str());
    return 2;
  }
  std::printf("%zu files replayed\n", files.size());
  return files.empty() ? 2 : 0;
}
