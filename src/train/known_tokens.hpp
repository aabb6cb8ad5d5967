// What a run knows of its tokens from an earlier start: their fingerprint, and of which files.  As
// long as no file has changed, a start need not read every token again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/token_stream.hpp"

namespace dfascale {

struct KnownSplit {
  std::uint64_t fingerprint = 0;
  std::int64_t largest = 0;  ///< token
  std::vector<FileIdentity> files;
};

struct KnownTokens {
  KnownSplit train, valid;
};

/// Reads what an earlier start has kept.  None if there is no such file, or another one; a symbolic
/// link is not followed.
std::optional<KnownTokens> read_known_tokens(const std::string& path);
/// Throws Error if it cannot be written.
void write_known_tokens(const std::string& path, const KnownTokens& known);

/// Whether the files of a stream are those that are known, unchanged, with tokens below `vocab`.
bool is_known(const KnownSplit& known, const TokenStream& stream, std::int64_t vocab);

/// Whether a change that comes after `time` (nanoseconds since 1970) shows in the files' times:
/// these advance in steps.
bool changes_would_show(const TokenStream& stream, std::int64_t time);

std::vector<FileIdentity> identities(const TokenStream& stream);

}  // namespace dfascale
