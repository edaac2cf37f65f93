// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/atomic_file.h"

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::string name = testing::TempDir() + "/atomic_file_test.XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~AtomicFileTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string content(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
};

TEST_F(AtomicFileTest, WritesANewFileAndLeavesNothingBesideIt) {
  const AtomicFile file(path("a"));
  EXPECT_EQ(entries(), 0);
  file.write("text");
  EXPECT_EQ(content(path("a")), "text");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicFileTest, LeavesAnOldFileUntouchedUntilItIsReplaced) {
  std::ofstream(path("a")) << "a longer old text";
  const AtomicFile file(path("a"));
  EXPECT_EQ(content(path("a")), "a longer old text");
  file.write("new");
  EXPECT_EQ(content(path("a")), "new");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicFileTest, ReplacesWhatALinkPointsToAndKeepsTheLink) {
  std::ofstream(path("a")) << "old";
  fs::create_symlink(path("a"), path("link"));
  AtomicFile(path("link")).write("new");
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(content(path("a")), "new");
}

TEST_F(AtomicFileTest, WritesToADeviceDirectly) {
  EXPECT_NO_THROW(AtomicFile("/dev/null").write("text"));
  EXPECT_FALSE(fs::is_regular_file("/dev/null"));
}

TEST_F(AtomicFileTest, RefusesWhatCannotBeWrittenAndNamesIt) {
  fs::create_directory(path("folder"));
  for (const std::string& name : {path("folder"), path("missing/a"), std::string()}) {
    try {
      const AtomicFile file(name);
      ADD_FAILURE() << "accepted " << name;
    } catch (const std::system_error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

TEST_F(AtomicFileTest, ThrowsWhenTheFolderIsGoneByTheTimeItIsWritten) {
  fs::create_directory(path("folder"));
  const AtomicFile file(path("folder") + "/a");
  fs::remove(path("folder"));
  EXPECT_THROW(file.write("text"), std::system_error);
  EXPECT_EQ(entries(), 0);
}

}  // namespace
}  // namespace zmqloop::bench
