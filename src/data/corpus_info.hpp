// corpus.json: what a prepared folder holds and what it was made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/text_source.hpp"

namespace dfascale {

/// What training and evaluation want to know of a prepared folder.
struct CorpusInfo {
  std::int64_t train_tokens, valid_tokens, vocab;
  double valid_bytes_per_token;  ///< of text, separators not counted
  std::string tokenizer;         ///< path of tokenizer.model
};

/// Of a prepared folder; none if it has no corpus.json.  Throws Error(Exit::data) if that file is
/// not what prepare writes.
std::optional<CorpusInfo> read_corpus_info(const std::string& folder);

struct ShardRecord {
  std::string name;
  std::int64_t tokens;
  std::string sha256;
};

struct SplitRecord {
  std::int64_t tokens = 0, documents = 0, text_bytes = 0;
  std::vector<ShardRecord> shards;
  std::vector<InputFile> inputs;
};

struct CorpusRecord {
  SplitRecord train, valid;
  std::int64_t vocab = 0, end_of_text = 0;
  std::string tokenizer_sha256;
  bool tokenizer_was_given = false;
};

/// The text of corpus.json.
std::string to_json(const CorpusRecord& record);

}  // namespace dfascale
