#include "base/error.hpp"

#include <cerrno>
#include <cstring>

namespace dfascale {

std::string system_reason(const std::string& path) {
  return fmt::format("{}: {}", path, std::strerror(errno));
}

}  // namespace dfascale
