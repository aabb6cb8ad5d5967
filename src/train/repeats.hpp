// Text that is read twice: as training text, or as training and as validation text.
#pragma once

#include "data/token_stream.hpp"
#include "deck/settings.hpp"

namespace dfascale {

/// Warns of files that are given twice, by whatever names, and of prepared folders that were made
/// from the same text.
void warn_of_repeats(const DataSettings& data, const TokenStream& train, const TokenStream& valid);

}  // namespace dfascale
