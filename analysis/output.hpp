// The result folder: which files there are, written whole or not at all.
#pragma once

#include <filesystem>
#include <string>

#include "analysis/results.hpp"

namespace dfascale::fit {

/// Writes every file of the results into options.out and prints a summary.
void write_outputs(const Results& results);

/// Writes under another name, then renames; never through a link.  Throws InputError cannot_write.
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace dfascale::fit
