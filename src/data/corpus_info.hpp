// corpus.json: what a prepared folder holds and what it was made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/text_source.hpp"

namespace dfascale {

struct ShardRecord {
  std::string name;
  std::int64_t tokens;
  std::string sha256;
};

/// What training and evaluation want to know of a prepared folder.
struct CorpusInfo {
  std::vector<ShardRecord> train_shards, valid_shards;
  std::int64_t train_tokens, valid_tokens, vocab;
  double valid_bytes_per_token;  ///< of text, separators not counted
  std::string tokenizer;         ///< path of tokenizer.model
  std::string tokenizer_sha256;
  std::vector<std::string> train_inputs, valid_inputs;  ///< SHA-256 of the text files
};

/// Of a prepared folder; none if it has no corpus.json.  Throws Error(Exit::data) if that file is
/// not what prepare writes.
std::optional<CorpusInfo> read_corpus_info(const std::string& folder);

/// Throws Error(Exit::data) if both folders say which tokenizer made their tokens, and it is not
/// the same one.
void check_same_tokenizer(const std::string& folder, const std::string& other);

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
