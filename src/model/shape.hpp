// The model's sizes.  One letter per dimension everywhere: B sequences, T context, D width, H
// heads, V vocabulary, L blocks.
#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace dfascale {

struct Shape {
  std::int64_t layers, width, heads, context, vocab;
  bool tied;
  Activation activation;

  /// V rounded up to a multiple of 64; padded rows are zero, get no probability and appear in no
  /// file.
  std::int64_t padded_vocab() const { return (vocab + 63) / 64 * 64; }
};

}  // namespace dfascale
