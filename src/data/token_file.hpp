// One file of tokens, checked when it is opened: magic, version and length.  It is read, not
// mapped: a file that is cut short or unreadable meanwhile is an error, not a signal. The two
// layouts are in token_format.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/file_descriptor.hpp"
#include "data/file_identity.hpp"
#include "data/token_format.hpp"

namespace dfascale {

/// The header of llm.c's shards: 256 int32, of which three are used.
inline constexpr std::int32_t token_file_magic = 20240520;
inline constexpr std::int32_t token_file_version = 1;
inline constexpr std::int64_t token_file_header_bytes = 256 * 4;
/// What llm.c writes for Llama 3: uint32 tokens, version 7.
inline constexpr std::int32_t llama3_token_file_magic = 20240801;

/// `kept` open between reads, or opened `each_time`: a process may hold only so many files.
enum class Descriptors { kept, each_time };

class TokenFile {
 public:
  /// Throws Error(Exit::data) if the file cannot be read, is of another format, is cut off or holds
  /// no token.
  TokenFile(std::string path, TokenFormat format, Descriptors descriptors);

  const std::string& path() const { return path_; }
  std::int64_t size() const { return size_; }  ///< tokens
  /// Reads tokens [first, first + count).  Throws Error(Exit::data) if the file cannot be read, has
  /// become shorter, or is another one than was opened.  Threads may read at the same time.
  void read(std::int64_t first, std::int64_t count, std::uint16_t* out) const;
  /// As it was when it was opened, and as it is now.
  const FileIdentity& identity() const { return identity_; }
  FileIdentity identity_now() const;

 private:
  void check_header(int file);
  void check_raw(int file);
  FileDescriptor open_again() const;
  void read_bytes(int file, std::int64_t place, std::int64_t bytes, char* out) const;

  std::string path_;
  FileDescriptor kept_;
  FileIdentity identity_;
  std::int64_t tokens_at_ = 0;  ///< bytes before the first token
  std::int64_t size_ = 0;
};

}  // namespace dfascale
