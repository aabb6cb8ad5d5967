// A golden variant's options as a rule: the reference's words beside ours.
#pragma once

#include "credit/rule.hpp"
#include "io/golden.hpp"

namespace dfascale {

/// Throws Error(Exit::data) naming the variant, the option and what is allowed.
Rule rule_of(const GoldenVariant& variant);

}  // namespace dfascale
