// Names as they stand in each format: names come from files that anybody may have written.
#pragma once

#include <string>
#include <string_view>

namespace dfascale::fit {

/// How a name is written into a text.
using Escape = std::string (*)(std::string_view);

/// As it is: for a terminal.  Names hold no control characters.
std::string plain(std::string_view text);

/// For a sentence, a heading or a cell of a table in Markdown, where HTML is Markdown too.
std::string markdown(std::string_view text);

/// As code in Markdown, with its quotes: `text`.  Not for tables.
std::string markdown_code(std::string_view text);

/// For a single-quoted gnuplot string in enhanced mode.
std::string gnuplot(std::string_view text);

/// A field of a CSV file; quoted only where it must be.
std::string csv_field(std::string_view text);

}  // namespace dfascale::fit
