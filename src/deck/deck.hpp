// Decks: TOML files that say everything about a run (SPEC section 12; keys in docs/deck.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "deck/settings.hpp"

namespace dfascale {

/// Reads a deck; `overrides` are "section.key=value" and win over it.  Throws Error(Exit::usage)
/// that lists every mistake with file, line, key, value and what is expected.
Settings read_deck(const std::string& file, const std::vector<std::string>& overrides);
/// The same from text; `name` is the file's name for messages and for the default of run.name.
Settings parse_deck(std::string_view toml, std::string_view name,
                    const std::vector<std::string>& overrides);
/// The text of a deck file.  Throws Error(Exit::usage) if it cannot be read.
std::string deck_text(const std::string& file);

/// The schedule of a pipeline where the deck names none: bp waits for the stage above, other rules
/// do not.
std::string default_schedule(const Rule& rule);

/// Settings by which stages of a pipeline wait for each other once in a step, although the schedule
/// would let them go on: a sentence for each, with the key, the cost and the cure.  Empty where no
/// such schedule runs.
std::vector<std::string> ties_between_stages(const Settings& settings);

/// Fills in what depends on the number of ranks: parallel.dp = 0 becomes `ranks`.  Throws
/// Error(Exit::usage) if the deck's layout is not for so many ranks, or does not divide the batch.
void resolve_layout(Settings& settings, std::int64_t ranks);

/// The resolved deck: every key with its value and its sentence.  Parsing it gives `settings`
/// again.
std::string show_deck(const Settings& settings);
/// Keys in which two runs differ, for example "optim.tokens: 1000000, was 2000000" (b's value, then
/// a's).
std::vector<std::string> differences(const Settings& a, const Settings& b);

/// docs/deck.md.
std::string deck_reference_markdown();
/// All keys for a terminal.
std::string deck_reference_text();

}  // namespace dfascale
