// The digest of a checkpoint file: SHA-256 of each 64 MiB piece, as text in FILE.digest.  In pieces
// so that the ranks share the work; `split -b 67108864 --filter=sha256sum FILE` prints the same.
#pragma once

#include <optional>
#include <string>

#include "io/writer_ranks.hpp"

namespace dfascale {

/// Collective.  The text that belongs into FILE.digest.
std::string digest_of(const std::string& file, const WriterRanks& ranks);

/// What a look at a file and its digest shows.  `unreadable` says nothing about the file: its disk,
/// its rights or its digest are missing.
enum class Condition { good, damaged, unreadable, gone };
struct Finding {
  Condition condition;
  std::string reason;  ///< unless it is good
};

/// Collective.  Whether a file matches its digest.
Finding examine(const std::string& file, const WriterRanks& ranks);

/// Collective.  What is wrong with a file that should match its digest; none if it does.
/// FILE.digest.new counts too: it is there while a checkpoint of the same step is replaced.
std::optional<std::string> damage_of(const std::string& file, const WriterRanks& ranks);

/// Writes the digest so that at every moment the file on disk, old or new, matches one: before the
/// file is renamed into place, and after.
void stage_digest(const std::string& file, const std::string& digest);
void settle_digest(const std::string& file);
void remove_digest(const std::string& file);
/// Of a checkpoint that gets another name.
void move_digest(const std::string& file, const std::string& to);

}  // namespace dfascale
