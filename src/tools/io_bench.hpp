// dfascale bench io: checkpoints of a deck's size, written here, beside a plain file of as many
// bytes.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/tools.hpp"

namespace dfascale {

void add_io(CLI::App& bench, Run& run);

}  // namespace dfascale
