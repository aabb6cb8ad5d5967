// What tokenizer.cpp and encoder.cpp share; the only header that knows SentencePiece.
#pragma once

#include <sentencepiece_processor.h>

#include <string>
#include <string_view>

#include "data/joined_bytes.hpp"
#include "data/tokenizer.hpp"

namespace dfascale {

/// U+2581, which stands for a space in SentencePiece's pieces.  The same character in a text goes
/// into its three bytes, or it would come back as a space.
inline constexpr std::string_view space_mark = "\xe2\x96\x81";

struct Tokenizer::Model {
  sentencepiece::SentencePieceProcessor processor;
  std::string bytes;         ///< the model file
  std::string switched_off;  ///< see Tokenizer::switched_off()
  int byte_ids[256] = {};
  int end_of_text = -1;
  JoinedBytes joined;
  bool words_are_apart = true;  ///< no piece crosses from one word into the next
};

/// Appends a piece with its marks turned into spaces.
inline void append_with_spaces(std::string& text, std::string_view piece) {
  std::size_t mark = 0;
  while ((mark = piece.find(space_mark)) != std::string_view::npos) {
    text.append(piece.substr(0, mark)) += ' ';
    piece.remove_prefix(mark + space_mark.size());
  }
  text.append(piece);
}

}  // namespace dfascale
