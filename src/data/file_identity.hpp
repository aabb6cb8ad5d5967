// What tells a file from another one, and from itself after a change.
#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace dfascale {

/// Size, times in nanoseconds since 1970, and place of a file, as the system has them.
struct FileIdentity {
  std::int64_t bytes = 0, modified = 0, changed = 0;
  std::uint64_t device = 0, inode = 0;

  bool operator==(const FileIdentity&) const = default;
};

inline FileIdentity identity_of(const struct stat& status) {
  constexpr std::int64_t second = 1'000'000'000;
  return {status.st_size, status.st_mtim.tv_sec * second + status.st_mtim.tv_nsec,
          status.st_ctim.tv_sec * second + status.st_ctim.tv_nsec, status.st_dev, status.st_ino};
}

}  // namespace dfascale
