// A set of token files read as one stream, in the order of their names.  Samples may cross files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/token_file.hpp"
#include "data/token_format.hpp"

namespace dfascale {

enum class Split { train, valid };
/// "train", "valid": how the files of a prepared folder begin.
std::string split_name(Split split);

class TokenStream {
 public:
  /// `where` is a prepared folder (train_*.bin or valid_*.bin, by the split), a file or a glob.
  /// Throws Error(Exit::data) if nothing is there, a file is not what it should be, or a prepared
  /// folder does not hold what its corpus.json says.
  static TokenStream open(const std::string& where, Split split, TokenFormat format);

  std::int64_t size() const { return starts_.back(); }  ///< tokens
  /// Tokens [first, first + count) into out.  Throws Error(Exit::data) with file and place if they
  /// cannot be read or one is not below the vocabulary: files may change while a run reads them.
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;
  /// The same without a look at the vocabulary.
  void read_unchecked(std::int64_t first, std::int64_t count, std::uint16_t* out) const;
  const std::vector<std::string>& files() const { return names_; }
  const std::vector<TokenFile>& shards() const { return shards_; }

  /// Reads every token.
  std::int64_t largest_token() const;
  /// A rank's part of a task.
  struct Share {
    std::int64_t rank = 0, ranks = 1;
  };
  struct Scan {
    std::uint64_t hash = 0;  ///< added up over all shares: what fingerprint() wants
    std::int64_t largest = 0;
  };
  /// Sets the vocabulary and reads every token of a share, at the speed of memory or disk.  Throws
  /// Error(Exit::data) naming the file and place of the first token >= vocab.
  Scan check_vocabulary(std::int64_t vocab, Share share);
  /// Sets the vocabulary that read() checks tokens against.
  void set_vocabulary(std::int64_t vocab) { vocab_ = vocab; }

  /// Of every token, in order, whatever files hold them: tells other data from the same.
  std::uint64_t fingerprint(std::uint64_t hash_of_all_shares) const;
  /// Of file names, sizes and a sample of the tokens, as checkpoints of older versions have it.
  std::uint64_t sampled_fingerprint() const;

 private:
  explicit TokenStream(const std::vector<std::string>& files, TokenFormat format);
  /// Against corpus.json, if the folder has one.
  void check_complete(const std::string& folder, Split split) const;

  template <class Each>
  void for_each_block(std::int64_t begin, std::int64_t end, const Each& each) const;
  std::size_t shard_at(std::int64_t position) const;
  /// Names the first token that is not below the vocabulary, among these, which lie at `first`.
  std::string bad_token(std::int64_t first, std::span<const std::uint16_t> tokens) const;
  [[noreturn]] void fail_vocabulary(const std::string& bad) const;

  std::vector<TokenFile> shards_;
  std::vector<std::string> names_;
  std::vector<std::int64_t> starts_;  ///< stream position of each shard's first token, then the end
  std::int64_t vocab_ = 65536;
};

}  // namespace dfascale
