#include "io/available_memory.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace dfascale {

namespace {

/// Control groups come in two versions, with other names for the same things.
struct Version {
  const char* controllers;  ///< in /proc/self/cgroup, between the colons
  const char* mount;
  const char *limit, *used, *cache;  ///< the last one is a line of memory.stat
};
constexpr std::array versions = {
    Version{"", "/sys/fs/cgroup", "memory.max", "memory.current", "file"},
    Version{"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
            "total_cache"}};

/// The first number behind a name at the beginning of a line; of the whole file for an empty name.
std::optional<std::int64_t> number_in(const std::string& file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::int64_t number = 0;
    if (!name.empty() && (!(words >> word) || word != name)) continue;
    if (words >> number) return number;
    return std::nullopt;
  }
  return std::nullopt;
}

std::int64_t left_in(const std::string& folder, const Version& version) {
  constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  const auto limit = number_in(folder + "/" + version.limit, "");
  if (!limit) return no_limit;
  const std::int64_t used = number_in(folder + "/" + version.used, "").value_or(0);
  const std::int64_t cache = number_in(folder + "/memory.stat", version.cache).value_or(0);
  return std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, used - cache));
}

/// A limit may be set on any group around the process's own.
std::int64_t left_up_from(std::string group, const std::string& root, const Version& version) {
  std::int64_t left = left_in(root + version.mount, version);
  while (group.size() > 1) {
    left = std::min(left, left_in(root + version.mount + group, version));
    group.resize(group.rfind('/'));
  }
  return left;
}

}  // namespace

std::int64_t available_memory(const std::string& root) {
  constexpr std::int64_t kibibyte = 1024;
  std::int64_t available =
      number_in(root + "/proc/meminfo", "MemAvailable:").value_or(0) * kibibyte;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "NUMBER:CONTROLLERS:/PATH"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line[second + 1] != '/') continue;
    for (const Version& version : versions)
      if (line.substr(first + 1, second - first - 1) == version.controllers)
        available = std::min(available, left_up_from(line.substr(second + 1), root, version));
  }
  return available;
}

}  // namespace dfascale
