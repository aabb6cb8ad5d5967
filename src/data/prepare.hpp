// dfascale prepare: text in, token files, a tokenizer and corpus.json out (SPEC section 4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dfascale {

/// What to do when the folder already holds a prepared corpus.
enum class Existing { refuse, replace };

struct PrepareOptions {
  std::vector<std::string> train, valid;  ///< text files, see text_source.hpp
  std::string out;                        ///< folder, made if need be
  std::int64_t vocab = 0;                 ///< tokens of the tokenizer to train; 0: one is given
  std::string tokenizer;                  ///< a SentencePiece model instead of training one
  int threads = 0;                        ///< 0: one for each core
  std::int64_t shard_tokens = 100'000'000;
  Existing existing = Existing::refuse;
};

/// Throws Error.  The folder then holds what it held before.
void prepare(const PrepareOptions& options);

}  // namespace dfascale
