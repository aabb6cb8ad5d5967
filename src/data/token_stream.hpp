// A set of token files read as one stream, in the order of their names.  Samples may cross files.
#pragma once

#include <cstdint>
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
  /// Tokens [first, first + count) into out.
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;
  const std::vector<std::string>& files() const { return names_; }

  /// Scans every token, at the speed of memory or disk.
  std::int64_t largest_token() const;
  /// A rank's part of a task.
  struct Share {
    std::int64_t rank = 0, ranks = 1;
  };
  /// Throws Error(Exit::data) naming the file and place of the share's first token >= vocab.
  void check_vocabulary(std::int64_t vocab, Share share) const;
  /// Of names (without folders), sizes and a sample of the tokens: tells other data from the same.
  std::uint64_t fingerprint() const;

 private:
  explicit TokenStream(const std::vector<std::string>& files, TokenFormat format);
  /// Against corpus.json, if the folder has one.
  void check_complete(const std::string& folder, Split split) const;

  std::vector<TokenFile> shards_;
  std::vector<std::string> names_;
  std::vector<std::int64_t> starts_;  ///< stream position of each shard's first token, then the end
};

}  // namespace dfascale
