// Finding shards by folder, file or glob, and reading across them.
#include "data/token_stream.hpp"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>

#include "base/error.hpp"
#include "data/corpus_info.hpp"
#include "data/staging.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;

/// Paths that match, sorted by name in the C order, the same on every machine.
std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status != 0 && status != GLOB_NOMATCH)
    fail(Exit::data, "cannot search for {}", system_reason(pattern));
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> shards_in_folder(const fs::path& folder, Split split) {
  const std::string start = split_name(split) + "_";
  std::vector<std::string> paths;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(start) && name.ends_with(".bin")) paths.push_back(entry->path().string());
  }
  if (problem)
    fail(Exit::data, "cannot read the folder {}: {}", folder.string(), problem.message());
  if (paths.empty())
    fail(Exit::data,
         "{}: no {}*.bin in this folder; make them with dfascale prepare --out {}, or name the "
         "files "
         "with a glob such as {}/*_{}_*.bin",
         folder.string(), start, folder.string(), folder.string(), split_name(split));
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> find_shards(const std::string& where, Split split) {
  if (where.empty())
    fail(Exit::data, "data.{}: nothing given; expected a prepared folder, a file or a glob",
         split_name(split));
  std::error_code ignored;
  if (fs::is_directory(where, ignored)) return shards_in_folder(where, split);
  if (fs::exists(where, ignored)) return {where};
  if (where.find_first_of("*?[") == std::string::npos)
    fail(Exit::data, "{}: no such file or folder (data.{}); make it with dfascale prepare", where,
         split_name(split));
  std::vector<std::string> paths = matches(where);
  if (paths.empty())
    fail(Exit::data, "{}: no file matches this pattern (data.{})", where, split_name(split));
  return paths;
}

std::int64_t largest_of(std::span<const std::uint16_t> tokens) {
  std::uint16_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::size_t i = 0; i < tokens.size(); ++i) largest = std::max(largest, tokens[i]);
  return largest;
}

std::span<const std::uint16_t> all_of(const TokenFile& shard) {
  return {shard.tokens(), static_cast<std::size_t>(shard.size())};
}

/// FNV-1a, 64 bits.
class Fingerprint {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i) value_ = (value_ ^ at[i]) * 1099511628211ull;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 14695981039346656037ull;
};

}  // namespace

std::string split_name(Split split) { return split == Split::train ? "train" : "valid"; }

TokenStream TokenStream::open(const std::string& where, Split split, TokenFormat format) {
  TokenStream stream(find_shards(where, split), format);
  std::error_code ignored;
  if (fs::is_directory(where, ignored)) stream.check_complete(where, split);
  return stream;
}

void TokenStream::check_complete(const std::string& folder, Split split) const {
  constexpr const char* cure =
      "make the folder again with dfascale prepare --force, or copy all of it";
  if (is_half_published(folder))
    fail(Exit::data, "{}: dfascale prepare was stopped while it moved its files here; {}", folder,
         cure);
  const std::optional<CorpusInfo> info = read_corpus_info(folder);
  if (!info) return;  // files of another program
  const auto& recorded = split == Split::train ? info->train_shards : info->valid_shards;
  std::map<std::string, std::int64_t> tokens;
  for (const TokenFile& shard : shards_)
    tokens[fs::path(shard.path()).filename().string()] = shard.size();
  for (const ShardRecord& shard : recorded) {
    const auto found = tokens.find(shard.name);
    if (found == tokens.end())
      fail(Exit::data, "{}/{} is missing, which corpus.json names; {}", folder, shard.name, cure);
    if (found->second != shard.tokens)
      fail(Exit::data, "{}/{} has {} tokens, corpus.json says {}; {}", folder, shard.name,
           found->second, shard.tokens, cure);
    tokens.erase(found);
  }
  if (!tokens.empty())
    fail(
        Exit::data,
        "{}/{} is not in corpus.json; remove what is not of this corpus, or name files with a glob",
        folder, tokens.begin()->first);
}

TokenStream::TokenStream(const std::vector<std::string>& files, TokenFormat format)
    : names_(files), starts_{0} {
  for (const std::string& file : files) {
    shards_.emplace_back(file, format);
    starts_.push_back(starts_.back() + shards_.back().size());
  }
}

void TokenStream::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  if (first < 0 || count < 0 || first + count > size())
    fail(Exit::data, "tokens {} to {} asked from {}, which has {}", first, first + count,
         names_.front(), size());
  std::size_t shard = static_cast<std::size_t>(
      std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin() - 1);
  while (count > 0) {
    const std::int64_t n = std::min(count, starts_[shard + 1] - first);
    const std::uint16_t* from = shards_[shard].tokens() + (first - starts_[shard]);
    std::copy(from, from + n, out);
    out += n, first += n, count -= n, ++shard;
  }
}

std::int64_t TokenStream::largest_token() const {
  std::int64_t largest = 0;
  for (const TokenFile& shard : shards_) largest = std::max(largest, largest_of(all_of(shard)));
  return largest;
}

void TokenStream::check_vocabulary(std::int64_t vocab, Share share) const {
  const std::int64_t begin = size() * share.rank / share.ranks;
  const std::int64_t end = size() * (share.rank + 1) / share.ranks;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const TokenFile& shard = shards_[i];
    const std::int64_t first = std::clamp<std::int64_t>(begin - starts_[i], 0, shard.size());
    const std::int64_t last = std::clamp<std::int64_t>(end - starts_[i], 0, shard.size());
    const std::span<const std::uint16_t> part = all_of(shard).subspan(
        static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
    if (largest_of(part) < vocab) continue;
    const auto bad =
        std::ranges::find_if(part, [&](std::uint16_t token) { return token >= vocab; });
    fail(Exit::data,
         "{}: token {} (number {} of the file) is not below model.vocab = {}; set model.vocab to "
         "at least {}, or take the files made with the tokenizer of that size",
         shard.path(), *bad, first + (bad - part.begin()), vocab, largest_token() + 1);
  }
}

std::uint64_t TokenStream::fingerprint() const {
  constexpr std::int64_t windows = 64, window_tokens = 256;
  Fingerprint print;
  for (const TokenFile& shard : shards_) {
    const std::string name = fs::path(shard.path()).filename().string();
    const std::int64_t size = shard.size();
    print.add(name.data(), name.size());
    print.add(&size, sizeof size);
    for (std::int64_t w = 0; w < windows; ++w) {  // evenly spread, the last one at the end
      const std::int64_t n = std::min(window_tokens, size);
      const std::int64_t first = (size - n) * w / (windows - 1);
      print.add(shard.tokens() + first, static_cast<std::size_t>(2 * n));
    }
  }
  return print.value();
}

}  // namespace dfascale
