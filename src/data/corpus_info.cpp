#include "data/corpus_info.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "data/token_format.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int corpus_format = 1;

Json describe(const SplitRecord& split) {
  Json shards = Json::array(), inputs = Json::array();
  for (const ShardRecord& shard : split.shards)
    shards.push_back({{"file", shard.name}, {"tokens", shard.tokens}, {"sha256", shard.sha256}});
  for (const InputFile& input :
       split.inputs)  // names only: the record is the same wherever the files lie
    inputs.push_back({{"file", fs::path(input.path).filename().string()},
                      {"bytes", input.bytes},
                      {"sha256", input.sha256}});
  return {{"tokens", split.tokens},
          {"documents", split.documents},
          {"text_bytes", split.text_bytes},
          {"bytes_per_token",
           static_cast<double>(split.text_bytes) / static_cast<double>(split.tokens)},
          {"shards", shards},
          {"inputs", inputs}};
}

std::vector<ShardRecord> shards_of(const Json& split) {
  std::vector<ShardRecord> shards;
  for (const Json& shard : split.at("shards"))
    shards.push_back({shard.at("file"), shard.at("tokens"), shard.at("sha256")});
  return shards;
}

}  // namespace

std::string to_json(const CorpusRecord& record) {
  const Json json = {
      {"format", corpus_format},
      {"about",
       "Token files made by dfascale prepare. Every document is followed by the token end_of_text. "
       "text_bytes counts the text without separators."},
      {"vocab", record.vocab},
      {"end_of_text", record.end_of_text},
      {"tokenizer",
       {{"file", "tokenizer.model"},
        {"origin", record.tokenizer_was_given ? "given" : "trained"},
        {"sha256", record.tokenizer_sha256}}},
      {"train", describe(record.train)},
      {"valid", describe(record.valid)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<CorpusInfo> read_corpus_info(const std::string& folder) {
  const fs::path path = fs::path(folder) / "corpus.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  std::ifstream in(path);
  try {
    const Json json = Json::parse(in);
    if (json.at("format") != corpus_format)
      fail(Exit::data, "{}: format {}, expected {}; make the folder again with dfascale prepare",
           path.string(), json.at("format").dump(), corpus_format);
    CorpusInfo info{
        shards_of(json.at("train")),
        shards_of(json.at("valid")),
        json.at("train").at("tokens"),
        json.at("valid").at("tokens"),
        json.at("vocab"),
        json.at("valid").at("bytes_per_token"),
        (fs::path(folder) / json.at("tokenizer").at("file").get<std::string>()).string(),
        json.at("tokenizer").at("sha256")};
    if (info.vocab < 1 || info.vocab > largest_vocabulary)
      fail(Exit::data,
           "{}: vocab {}, expected 1 to {}; make the folder again with dfascale prepare",
           path.string(), info.vocab, largest_vocabulary);
    return info;
  } catch (const nlohmann::json::exception& problem) {
    fail(Exit::data, "{}: not written by dfascale prepare ({}); make the folder again",
         path.string(), problem.what());
  }
}

void check_same_tokenizer(const std::string& folder, const std::string& other) {
  const std::optional<CorpusInfo> one = read_corpus_info(folder), two = read_corpus_info(other);
  if (!one || !two || one->tokenizer_sha256 == two->tokenizer_sha256) return;
  fail(Exit::data,
       "{}: its tokens ({} of them) were made by another tokenizer than those of {} ({}); prepare "
       "the text with that one: dfascale prepare --tokenizer {}",
       other, two->vocab, folder, one->vocab, one->tokenizer);
}

}  // namespace dfascale
