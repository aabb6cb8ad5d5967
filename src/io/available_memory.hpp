// Memory that this process may still take.
#pragma once

#include <cstdint>
#include <string>

namespace dfascale {

/// Bytes that are free on this machine or can be freed, or what the control group of the process
/// (a batch job's, a container's) still allows if that is less; 0 if the system does not say.
/// `root` stands before every path that is read, for tests.
std::int64_t available_memory(const std::string& root = "");

}  // namespace dfascale
