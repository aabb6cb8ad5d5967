// "Did you mean": the known word nearest to a mistyped one.
#pragma once

#include <string_view>
#include <vector>

namespace dfascale {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
int edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, or an empty view if none is near: at most a third of its letters differ,
/// one at least; known words are in lower case, `typed` in any.
std::string_view nearest(std::string_view typed, const std::vector<std::string_view>& known);

}  // namespace dfascale
