// An execution as a picture: SVG for people, Chrome's trace format for chrome://tracing and
// Perfetto.
#pragma once

#include <string>
#include <vector>

#include "pipeline/execute.hpp"

namespace dfascale {

/// A row for each rank, a coloured box for each action, seconds along the axis.  Boxes that would
/// be too narrow to see are left out, so that long timelines stay small.
std::string timeline_svg(const std::vector<Execution::Event>& events, std::size_t ranks,
                         const std::string& title);

/// A JSON array of complete events, microseconds, a thread for each rank.
std::string timeline_trace(const std::vector<Execution::Event>& events);

}  // namespace dfascale
