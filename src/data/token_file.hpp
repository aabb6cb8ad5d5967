// One file of tokens, mapped into memory and checked when it is opened: magic, version and length.
// The two layouts are in token_format.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/token_format.hpp"

namespace dfascale {

/// The header of llm.c's shards: 256 int32, of which three are used.
inline constexpr std::int32_t token_file_magic = 20240520;
inline constexpr std::int32_t token_file_version = 1;
inline constexpr std::int64_t token_file_header_bytes = 256 * 4;

class TokenFile {
 public:
  /// Throws Error(Exit::data) if the file cannot be read, is of another format, is cut off or holds
  /// no token.
  TokenFile(std::string path, TokenFormat format);
  ~TokenFile();
  TokenFile(TokenFile&& other) noexcept;
  TokenFile& operator=(TokenFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::int64_t size() const { return size_; }  ///< tokens
  const std::uint16_t* tokens() const { return tokens_; }

 private:
  void map();
  void check_header();
  void check_raw();

  std::string path_;
  void* memory_ = nullptr;
  std::int64_t bytes_ = 0;
  const std::uint16_t* tokens_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace dfascale
