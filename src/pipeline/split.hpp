#pragma once
#include <cstdint>
#include <vector>
namespace dfascale {
std::vector<std::int64_t> balanced_split(const std::vector<double>& costs, double head,
                                         std::int64_t stages);
}
