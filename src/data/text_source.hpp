// The text of many files as pieces of about a megabyte, cut where no token can cross, and the
// documents in them.  Reading is sequential and needs little memory; taking documents apart is done
// for each chunk alone, so that threads can share it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.hpp"
#include "data/joined_bytes.hpp"

namespace dfascale {

/// A line that holds only this separates two documents of a text file.
inline constexpr std::string_view document_separator = "<|endoftext|>";

/// `text`: documents separated by lines; `json_lines`: an object with a "text" field on each line.
enum class TextLayout { text, json_lines };
/// By the name, less .gz or .zst: .jsonl, .ndjson and .json (as C4 and CCNet name theirs) hold JSON
/// lines, all others text.
TextLayout layout_of(const std::string& path);

/// Bytes of one file as read and unpacked, cut between lines, or between words of a long line.
struct RawChunk {
  std::string file;
  TextLayout layout = TextLayout::text;
  std::int64_t offset = 0;  ///< of the first byte, in the unpacked file
  std::int64_t line = 1;    ///< number of the line of the first byte
  bool starts_line = true;  ///< false in the middle of a long line
  bool ends_file = false;
  std::string bytes;
};

/// Text of a chunk without separators; `ends` are the places in it where a document ends.  What
/// follows the last of them goes on in the next chunk, or ends with the file.
struct TextChunk {
  std::string text;
  std::vector<std::size_t> ends;
  bool ends_file = false;
  std::int64_t zeros = 0;  ///< bytes 0 in the text
};

struct InputFile {
  std::string path;
  std::int64_t bytes;  ///< on disk
  std::string sha256;
};

class ChunkReader {
 public:
  /// Checks that every file is there.  Throws Error(Exit::data).  Chunks that are to be encoded are
  /// cut where the tokenizer joins no bytes.
  explicit ChunkReader(std::vector<std::string> files, const JoinedBytes* joined = nullptr);

  /// The next chunk, or none after the last file.
  std::optional<RawChunk> next();
  /// May be asked while another thread is in next().
  std::int64_t bytes_read() const { return bytes_read_; }
  std::int64_t bytes_total() const { return bytes_total_; }
  /// The files read to their end so far.
  const std::vector<InputFile>& finished() const { return finished_; }

 private:
  void open_next();
  void check_start(std::string_view start) const;
  void finish_file();
  std::size_t cut(TextLayout layout) const;
  std::size_t cut_line() const;

  std::vector<std::string> files_;
  const JoinedBytes* joined_;
  std::size_t next_file_ = 0;
  std::unique_ptr<ByteSource> source_;
  RawChunk place_;       ///< where the bytes in waiting_ begin
  std::string waiting_;  ///< read, not yet given out
  std::vector<InputFile> finished_;
  std::int64_t finished_bytes_ = 0, bytes_total_ = 0;
  std::atomic<std::int64_t> bytes_read_ = 0;
};

/// Throws Error(Exit::data) for bytes that are not UTF-8 (with file and offset) and for lines that
/// are not the JSON expected (with file and line).
TextChunk documents_in(const RawChunk& chunk);

}  // namespace dfascale
