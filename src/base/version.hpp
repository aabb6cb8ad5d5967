// What this program was built from: for --version and for records of runs.
#pragma once

#include <string>

namespace dfascale {

/// "0.1.0"
std::string version();
/// The commit, "-dirty" behind it if files were changed, or "unknown" outside a git checkout.
std::string git_revision();
/// "GNU 12.2.0, Release"
std::string compiler();

}  // namespace dfascale
