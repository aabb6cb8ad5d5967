// Writes a stream of tokens as llm.c shards NAME_000000.bin, NAME_000001.bin, ...
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "data/corpus_info.hpp"

namespace dfascale {

class ShardWriter {
 public:
  ShardWriter(std::string folder, std::string name, std::int64_t shard_tokens);

  /// Throws Error(Exit::data) when the disk is full.
  void write(const std::uint16_t* tokens, std::int64_t count);
  /// Completes the last shard; what was written, with checksums.
  std::vector<ShardRecord> finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void open_shard();
  void close_shard();
  std::string path() const;

  std::string folder_, name_;
  std::int64_t shard_tokens_;
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t written_ = 0;  ///< tokens in the open shard
  std::vector<ShardRecord> shards_;
};

/// Writes a small file; throws Error(Exit::data).
void write_whole_file(const std::string& path, const std::string& contents);

}  // namespace dfascale
