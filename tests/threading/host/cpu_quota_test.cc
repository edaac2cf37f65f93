// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/cpu_quota.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

// A root folder with the files that the test needs.
class CpuQuota : public ::testing::Test {
 protected:
  CpuQuota() {
    std::string name = (std::filesystem::temp_directory_path() / "cpu_quota_XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~CpuQuota() override { std::filesystem::remove_all(root_); }

  // Paths are absolute, but lie below the test's own root.
  void write(const char* path, const std::string& text) { write(path, "", text); }
  void write(const char* folder, const char* name, const std::string& text) {
    std::filesystem::path file(root_);
    file += folder;
    file += name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void in_group(const std::string& text) { write("/proc/self/cgroup", text); }
  void mounted(const std::string& text) { write("/proc/self/mountinfo", text); }
  void mounted_v2() {
    mounted(
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void mounted_v1() {
    mounted(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n");
  }
  // Makes a folder: it can be opened like a file, but reading it fails.
  void unreadable(const std::string& folder, const std::string& name) {
    std::filesystem::create_directories(root_ + folder + name);
  }
  std::optional<double> quota() const { return cpu_quota(root_); }

 private:
  std::string root_;
};

constexpr char kV2[] = "/sys/fs/cgroup";
constexpr char kV1[] = "/sys/fs/cgroup/cpu,cpuacct";

TEST_F(CpuQuota, IsNoneWhereNothingCanBeRead) { EXPECT_EQ(quota(), std::nullopt); }

TEST_F(CpuQuota, IsNoneWhereFilesCanBeOpenedAndNotRead) {
  unreadable("/proc/self", "/mountinfo");
  unreadable("/proc/self", "/cgroup");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, IsThatOfTheFilesThatCanBeRead) {
  mounted_v2();
  in_group("0::/user/app\n");
  unreadable(kV2, "/user/app/cpu.max");
  write(kV2, "/user/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, IsReadFromTheV2Group) {
  mounted_v2();
  in_group("0::/user/app\n");
  write(kV2, "/user/app/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuQuota, IsNoneWhereV2SaysMax) {
  mounted_v2();
  in_group("0::/user/app\n");
  write(kV2, "/user/app/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, IsTheTightestOnTheWayUp) {
  mounted_v2();
  in_group("0::/a/b/c\n");
  write(kV2, "/a/b/c/cpu.max", "400000 100000\n");
  write(kV2, "/a/b/cpu.max", "max 100000\n");
  write(kV2, "/a/cpu.max", "25000 50000\n");
  write(kV2, "/other/cpu.max", "1000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, IsReadFromTheRootOfAContainersNamespace) {
  mounted_v2();
  in_group("0::/\n");
  write(kV2, "/cpu.max", "20000 100000\n");
  EXPECT_EQ(quota(), 0.2);
}

TEST_F(CpuQuota, IsReadWhereOnlyTheContainersGroupIsMounted) {
  mounted("30 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  in_group("0::/docker/abc/inner\n");
  write(kV2, "/cpu.max", "300000 100000\n");
  write(kV2, "/inner/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2.0);
}

TEST_F(CpuQuota, IsThatOfTheMountForAGroupOutsideIt) {
  mounted("30 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  write(kV2, "/cpu.max", "300000 100000\n");
  for (const char* group : {"0::/docker/abcdef\n", "0::/elsewhere\n", "0::/../../outside\n"}) {
    in_group(group);
    EXPECT_EQ(quota(), 3.0) << group;
  }
}

TEST_F(CpuQuota, IsReadFromTheV1Group) {
  mounted_v1();
  in_group("4:cpuset:/\n3:cpu,cpuacct:/app\n1:name=systemd:/app\n");
  write(kV1, "/app/cpu.cfs_quota_us", "250000\n");
  write(kV1, "/app/cpu.cfs_period_us", "100000\n");
  write(kV1, "/cpu.cfs_quota_us", "-1\n");
  write(kV1, "/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 2.5);
}

TEST_F(CpuQuota, IsNoneWhereV1SaysMinusOne) {
  mounted_v1();
  in_group("3:cpu,cpuacct:/\n");
  write(kV1, "/cpu.cfs_quota_us", "-1\n");
  write(kV1, "/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, DoesNotTakeCpusetForCpu) {
  mounted_v1();
  in_group("4:cpuset:/app\n");
  write("/sys/fs/cgroup/cpuset/app/cpu.cfs_quota_us", "10000\n");
  write("/sys/fs/cgroup/cpuset/app/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
}

TEST_F(CpuQuota, IsTheTighterOneWhereBothVersionsAreMounted) {
  mounted(
      "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  in_group("1:cpu:/app\n0::/app\n");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "300000");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(), 3.0);
  write("/sys/fs/cgroup/unified/app/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1.0);
}

TEST_F(CpuQuota, IsFoundUnderAMountPointWithBlanks) {
  mounted("30 22 0:26 / /my\\040groups\\134x rw - cgroup2 cgroup2 rw\n");
  in_group("0::/app\n");
  write("/my groups\\x/app/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST_F(CpuQuota, IsNoneWhereTheFilesMakeNoSense) {
  mounted("nonsense\n1 2 3\n30 22 0:26 / /sys/fs/cgroup rw -\n - cgroup2\n\n");
  in_group("\n:\n0:\n::\nx\n0::/app\n");
  EXPECT_EQ(quota(), std::nullopt);
  mounted_v2();
  for (const char* text : {"", "\n", "max", "50000", "50000 0", "-5 100000", "a b", "0 100000"}) {
    write(kV2, "/app/cpu.max", text);
    EXPECT_EQ(quota(), std::nullopt) << text;
  }
}

TEST(CpuQuotaOfThisMachine, CanBeRead) {
  const std::optional<double> quota = cpu_quota();
  if (quota) {
    EXPECT_GT(*quota, 0);
  }
}

}  // namespace
}  // namespace zmqloop
