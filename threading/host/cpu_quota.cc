// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <ios>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

namespace zmqloop {
namespace {

enum class Hierarchy { kV1Cpu, kV2 };

// Where a hierarchy is mounted, and the group that is mounted there.
struct Mount {
  Hierarchy hierarchy;
  std::string group;
  std::string path;
};

// The group of this process in a hierarchy.
struct Membership {
  Hierarchy hierarchy;
  std::string group;
};

// Returns the content of a file; empty if it cannot be read. A stream's buffer throws if a file can
// be opened but not read, such as one of a control group that has just been removed.
std::string read_file(const std::string& path) {
  std::ifstream file(path);
  try {
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {
    return std::string();
  }
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& parts, std::string_view wanted) {
  return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

// Undoes mountinfo's \ooo for blanks and backslashes in paths.
std::string unescape(const std::string& text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// /proc/self/cgroup: "3:cpu,cpuacct:/group", and "0::/group" for v2.
std::vector<Membership> parse_memberships(const std::string& text) {
  std::vector<Membership> found;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      found.push_back({Hierarchy::kV2, group});
    } else if (contains(split(controllers, ','), "cpu")) {
      found.push_back({Hierarchy::kV1Cpu, group});
    }
  }
  return found;
}

// /proc/self/mountinfo: "36 35 0:30 /group /path rw,... [optional ...] - type source options".
std::vector<Mount> parse_mounts(const std::string& text) {
  constexpr std::size_t kGroupField = 3;
  constexpr std::size_t kPathField = 4;
  constexpr std::ptrdiff_t kFieldsAfterDash = 3;
  std::vector<Mount> found;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() <= static_cast<std::ptrdiff_t>(kPathField)) continue;
    if (fields.end() - dash <= kFieldsAfterDash) continue;
    const std::string& type = dash[1];
    const std::string group = unescape(fields[kGroupField]);
    const std::string path = unescape(fields[kPathField]);
    if (type == "cgroup2") {
      found.push_back({Hierarchy::kV2, group, path});
    } else if (type == "cgroup" && contains(split(dash[kFieldsAfterDash], ','), "cpu")) {
      found.push_back({Hierarchy::kV1Cpu, group, path});
    }
  }
  return found;
}

std::optional<double> ratio(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return std::nullopt;
  return quota / period;
}

// cpu.max: "50000 100000" or "max 100000".
std::optional<double> read_v2_quota(const std::string& folder) {
  std::istringstream stream(read_file(folder + "/cpu.max"));
  double quota = 0;
  double period = 0;
  if (!(stream >> quota >> period)) return std::nullopt;
  return ratio(quota, period);
}

// cpu.cfs_quota_us: "50000", or "-1" for none; the period stands in a file of its own.
std::optional<double> read_v1_quota(const std::string& folder) {
  std::istringstream stream(read_file(folder + "/cpu.cfs_quota_us") + " " +
                            read_file(folder + "/cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  if (!(stream >> quota >> period)) return std::nullopt;
  return ratio(quota, period);
}

std::optional<double> tighter(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

// Returns the part of `group` below the mounted one: "" for the mounted group itself. A group
// outside of the mounted one (a container sees another name) counts as the mounted one.
std::string path_below(const std::string& mounted_group, const std::string& group) {
  const std::string base = mounted_group == "/" ? "" : mounted_group;
  const bool below = group.starts_with(base) &&
                     (group.size() == base.size() || group[base.size()] == '/') &&
                     group.find("/..") == std::string::npos;
  std::string rest = below ? group.substr(base.size()) : "";
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  return rest;
}

// Returns the tightest quota from the group's folder up to the mount.
std::optional<double> quota_along(const std::string& root, const Mount& mount,
                                  const std::string& group) {
  std::string below = path_below(mount.group, group);
  std::optional<double> tightest;
  for (;;) {
    const std::string folder = root + mount.path + below;
    tightest = tighter(tightest, mount.hierarchy == Hierarchy::kV2 ? read_v2_quota(folder)
                                                                   : read_v1_quota(folder));
    if (below.empty()) return tightest;
    below.resize(below.rfind('/'));
  }
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  const std::vector<Mount> mounts = parse_mounts(read_file(root + "/proc/self/mountinfo"));
  std::optional<double> tightest;
  for (const Membership& member : parse_memberships(read_file(root + "/proc/self/cgroup"))) {
    for (const Mount& mount : mounts) {
      if (mount.hierarchy != member.hierarchy) continue;
      tightest = tighter(tightest, quota_along(root, mount, member.group));
    }
  }
  return tightest;
}

}  // namespace zmqloop
