// Training a SentencePiece BPE model from counts of words.  BPE needs nothing else: no piece
// crosses a word, so a table of words with their counts gives the model of the whole text, in
// memory bounded by the sample and in a time that hardly depends on its length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "data/text_source.hpp"

namespace dfascale {

class WordCounts {
 public:
  /// Counts the words of a text.
  void add(std::string_view text);
  void add(const WordCounts& other);

  std::int64_t bytes() const { return bytes_; }  ///< of text counted
  std::int64_t words() const { return static_cast<std::int64_t>(counts_.size()); }
  const auto& counts() const { return counts_; }

 private:
  void count(std::string_view word);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const;
  };
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> counts_;
  std::int64_t bytes_ = 0;
};

/// The share of the lines that the sample takes when the text has about so many bytes.
double sampled_share(std::int64_t text_bytes);
/// Counts the words of the lines that belong to the sample: a function of the chunk's place in its
/// file and of the line alone, so the same on any number of threads.
void count_sample(const RawChunk& place, const TextChunk& chunk, double share, WordCounts& counts);

struct TrainedModel {
  std::string bytes;  ///< the model file
  double seconds = 0;
};
/// Throws Error(Exit::data) if the text cannot fill a vocabulary of this size, with the size it
/// can.
TrainedModel train_tokenizer(const WordCounts& counts, std::int64_t vocab);

}  // namespace dfascale
