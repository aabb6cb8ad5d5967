// How token files are laid out (SPEC section 4).
#pragma once

#include <cstdint>

namespace dfascale {

/// Tokens of a vocabulary: stored as uint16, and 65535 is not a token.
constexpr std::int64_t largest_vocabulary = 65535;

/// `llmc`: 256 int32 of header, then uint16 tokens, as llm.c writes them.  `raw`: uint16 tokens
/// only, as nanoGPT writes them.
enum class TokenFormat { llmc, raw };

}  // namespace dfascale
