#include "base/error.hpp"

#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace dfascale {

Error::Error(Exit code, const std::string& message)
    : std::runtime_error(visible(message)), code_(code) {}

std::string system_reason(const std::string& path) {
  return fmt::format("{}: {}", path, std::strerror(errno));
}

}  // namespace dfascale
