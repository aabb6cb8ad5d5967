#include "base/version.hpp"

#include "revision.hpp"  // written at build time by cmake/revision.cmake

namespace dfascale {

std::string version() { return DFASCALE_VERSION; }
std::string git_revision() { return DFASCALE_REVISION; }
std::string compiler() { return DFASCALE_COMPILER; }

}  // namespace dfascale
