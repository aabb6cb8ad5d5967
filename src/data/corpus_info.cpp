#include "data/corpus_info.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "data/token_format.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int corpus_format = 1;
constexpr std::int64_t most_tokens = std::int64_t{1} << 60;

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

constexpr const char* make_again = "make the folder again with dfascale prepare";

std::int64_t integer(const nlohmann::json& json, const char* key, std::int64_t low,
                     std::int64_t high, const std::string& path) {
  const nlohmann::json& value = json.at(key);
  if (!value.is_number_integer() || value < low || value > high)
    fail(Exit::data, "{}: {} {}, expected {} to {}; {}", path, key, value.dump(), low, high,
         make_again);
  return value;
}

/// A file of the same folder, by its name alone.
std::string file_name(const nlohmann::json& json, const std::string& path) {
  const std::string name = json.at("file");
  const bool plain = !name.empty() && name.find('/') == std::string::npos &&
                     std::ranges::none_of(name, [](unsigned char c) { return c < 0x20; });
  if (!plain)
    fail(Exit::data, "{}: file {}, expected the name of a file in this folder; {}", path,
         json.at("file").dump(), make_again);
  return name;
}

std::vector<ShardRecord> shards_of(const nlohmann::json& split, const std::string& path) {
  std::vector<ShardRecord> shards;
  for (const nlohmann::json& shard : split.at("shards"))
    shards.push_back({file_name(shard, path), integer(shard, "tokens", 1, most_tokens, path),
                      shard.at("sha256")});
  return shards;
}

std::vector<std::string> inputs_of(const nlohmann::json& split) {
  std::vector<std::string> sums;
  if (!split.contains("inputs")) return sums;
  for (const nlohmann::json& input : split.at("inputs"))
    if (input.at("bytes") > 0) sums.push_back(input.at("sha256"));
  return sums;
}

CorpusInfo info_in(const nlohmann::json& json, const std::string& folder, const std::string& path) {
  if (json.at("format") != corpus_format)
    fail(Exit::data, "{}: format {}, expected {}; {}", path, json.at("format").dump(),
         corpus_format, make_again);
  const nlohmann::json &train = json.at("train"), &valid = json.at("valid"),
                       &tokenizer = json.at("tokenizer");
  CorpusInfo info{shards_of(train, path),
                  shards_of(valid, path),
                  integer(train, "tokens", 1, most_tokens, path),
                  integer(valid, "tokens", 1, most_tokens, path),
                  integer(json, "vocab", 1, largest_vocabulary, path),
                  valid.at("bytes_per_token"),
                  (fs::path(folder) / file_name(tokenizer, path)).string(),
                  tokenizer.at("sha256"),
                  inputs_of(train),
                  inputs_of(valid)};
  if (!(info.valid_bytes_per_token > 0))
    fail(Exit::data, "{}: bytes_per_token {}, expected a number above 0; {}", path,
         info.valid_bytes_per_token, make_again);
  return info;
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
  const std::string path = (fs::path(folder) / "corpus.json").string();
  std::error_code ignored;
  if (fs::status(path, ignored).type() == fs::file_type::not_found) return std::nullopt;
  const nlohmann::json json = parse_large_json(read_small_file(path, Exit::data), path, Exit::data);
  try {
    return info_in(json, folder, path);
  } catch (const nlohmann::json::exception& problem) {
    fail(Exit::data, "{}: not written by dfascale prepare ({}); {}", path, problem.what(),
         make_again);
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
