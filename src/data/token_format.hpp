// How token files are laid out (SPEC section 4).
#pragma once

namespace dfascale {

/// `llmc`: 256 int32 of header, then uint16 tokens, as llm.c writes them.  `raw`: uint16 tokens
/// only, as nanoGPT writes them.
enum class TokenFormat { llmc, raw };

}  // namespace dfascale
