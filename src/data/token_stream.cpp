// Finding shards by folder, file or glob, and reading across them.
#include "data/token_stream.hpp"

#include <glob.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <span>

#include "base/error.hpp"
#include "base/xxhash64.hpp"
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

std::uint16_t largest_of(std::span<const std::uint16_t> tokens) {
  std::uint16_t largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::size_t i = 0; i < tokens.size(); ++i) largest = std::max(largest, tokens[i]);
  return largest;
}

// Of a scan: a buffer stays in the cache between being read, hashed and looked through.
constexpr std::int64_t block_tokens = 1 << 17;
// Files that one stream keeps open; a process may usually have 1024.
constexpr std::size_t most_kept_open = 400;

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
    shards_.emplace_back(
        file, format, shards_.size() < most_kept_open ? Descriptors::kept : Descriptors::each_time);
    starts_.push_back(starts_.back() + shards_.back().size());
  }
}

std::size_t TokenStream::shard_at(std::int64_t position) const {
  return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), position) -
                                  starts_.begin() - 1);
}

void TokenStream::read_unchecked(std::int64_t first, std::int64_t count, std::uint16_t* out) const {
  if (first < 0 || count < 0 || first + count > size())
    fail(Exit::data, "tokens {} to {} asked from {}, which has {}", first, first + count,
         names_.front(), size());
  for (std::size_t shard = shard_at(first); count > 0; ++shard) {
    const std::int64_t n = std::min(count, starts_[shard + 1] - first);
    shards_[shard].read(first - starts_[shard], n, out);
    out += n, first += n, count -= n;
  }
}

void TokenStream::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  std::array<std::uint16_t, 4096> part;
  do {
    const std::int64_t n = std::min(count, static_cast<std::int64_t>(part.size()));
    const std::span<const std::uint16_t> tokens(part.data(), static_cast<std::size_t>(n));
    read_unchecked(first, n, part.data());
    if (largest_of(tokens) >= vocab_)
      fail(Exit::data,
           "{}: the file has changed since it was checked at the start; put the old one back, then "
           "start again",
           bad_token(first, tokens));
    std::copy(tokens.begin(), tokens.end(), out);
    out += n, first += n, count -= n;
  } while (count > 0);
}

std::string TokenStream::bad_token(std::int64_t first,
                                   std::span<const std::uint16_t> tokens) const {
  const auto bad = std::ranges::find_if(tokens, [&](std::uint16_t t) { return t >= vocab_; });
  const std::int64_t position = first + (bad - tokens.begin());
  const std::size_t shard = shard_at(position);
  return fmt::format("{}: token {} (number {} of the file) is not below model.vocab = {}",
                     names_[shard], *bad, position - starts_[shard], vocab_);
}

template <class Each>
void TokenStream::for_each_block(std::int64_t begin, std::int64_t end, const Each& each) const {
  std::vector<std::uint16_t> block(
      static_cast<std::size_t>(std::clamp<std::int64_t>(end - begin, 0, block_tokens)));
  for (std::int64_t first = begin; first < end; first += block_tokens) {
    const std::int64_t n = std::min(block_tokens, end - first);
    read_unchecked(first, n, block.data());
    each(first, std::span<const std::uint16_t>(block.data(), static_cast<std::size_t>(n)));
  }
}

std::int64_t TokenStream::largest_token() const {
  std::int64_t largest = 0;
  for_each_block(0, size(), [&](std::int64_t, std::span<const std::uint16_t> block) {
    largest = std::max<std::int64_t>(largest, largest_of(block));
  });
  return largest;
}

void TokenStream::fail_vocabulary(const std::string& bad) const {
  const std::int64_t largest = largest_token();
  if (largest < largest_vocabulary)
    fail(Exit::data,
         "{}; set model.vocab to at least {}, or take the files made with the tokenizer of that "
         "size",
         bad, largest + 1);
  fail(Exit::data,
       "{}; the largest token is {}, beyond every vocabulary (at most {} tokens): these are no "
       "uint16 tokens, or the file is damaged; copy or make it again",
       bad, largest, largest_vocabulary);
}

TokenStream::Scan TokenStream::check_vocabulary(std::int64_t vocab, Share share) {
  set_vocabulary(vocab);
  const std::int64_t blocks = (size() + block_tokens - 1) / block_tokens;
  const auto border = [&](std::int64_t rank) {
    return std::min(size(), blocks * rank / share.ranks * block_tokens);
  };
  Scan found;
  for_each_block(border(share.rank), border(share.rank + 1),
                 [&](std::int64_t first, std::span<const std::uint16_t> block) {
                   found.hash += xxhash64(block.data(), block.size_bytes(),
                                          static_cast<std::uint64_t>(first / block_tokens));
                   found.largest = std::max<std::int64_t>(found.largest, largest_of(block));
                   if (found.largest >= vocab_) fail_vocabulary(bad_token(first, block));
                 });
  return found;
}

std::uint64_t TokenStream::fingerprint(std::uint64_t hash_of_all_shares) const {
  const std::uint64_t all[] = {hash_of_all_shares, static_cast<std::uint64_t>(size())};
  return xxhash64(all, sizeof all, 0);
}

std::uint64_t TokenStream::sampled_fingerprint() const {
  constexpr std::int64_t windows = 64, window_tokens = 256;
  std::vector<std::uint16_t> window(window_tokens);
  Fingerprint print;
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    const std::string name = fs::path(names_[shard]).filename().string();
    const std::int64_t size = shards_[shard].size();
    print.add(name.data(), name.size());
    print.add(&size, sizeof size);
    for (std::int64_t w = 0; w < windows; ++w) {  // evenly spread, the last one at the end
      const std::int64_t n = std::min(window_tokens, size);
      shards_[shard].read((size - n) * w / (windows - 1), n, window.data());
      print.add(window.data(), static_cast<std::size_t>(2 * n));
    }
  }
  return print.value();
}

}  // namespace dfascale
