// Cutting files into chunks and chunks into documents.
#include "data/text_source.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "base/utf8.hpp"
#include "data/file_kind.hpp"

namespace dfascale {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 20;
constexpr std::size_t longest_line = 4 * chunk_bytes;  // of text; a longer one is cut between words
constexpr std::size_t longest_json = 64 * chunk_bytes;  // a line, which cannot be cut
constexpr const char* too_long = "longer than 64 MiB";

/// After the last newline, or npos.
std::size_t after_last_line(std::string_view text) {
  const std::size_t newline = text.rfind('\n');
  return newline == std::string::npos ? newline : newline + 1;
}

/// After the last newline with which no token goes on: that of a separator, or one that the
/// tokenizer does not join with what follows; npos if there is none.
std::size_t after_last_line(std::string_view text, const JoinedBytes& joined) {
  if (!joined.joins_lines()) return after_last_line(text);
  const std::string separator = fmt::format("\n{}\n", document_separator);
  for (std::size_t at = text.rfind('\n'); at != std::string::npos && at > 0;
       at = text.rfind('\n', at - 1)) {
    if (at + 1 < text.size() && !joined.are_joined('\n', text[at + 1])) return at + 1;
    if (text.substr(0, at + 1).ends_with(separator)) return at + 1;
  }
  return std::string::npos;
}

/// Before the last run of spaces that follows a word: no token crosses there.
std::size_t before_last_spaces(std::string_view text) {
  std::size_t at = text.rfind(' ');
  while (at != std::string::npos && at > 0 && text[at - 1] == ' ') --at;
  return at == 0 ? std::string::npos : at;
}

/// The last place between two characters that the tokenizer does not join, or npos.
std::size_t last_border(std::string_view text, const JoinedBytes& joined) {
  for (std::size_t at = text.size() - 1; at > 0; --at)
    if ((text[at] & 0xc0) != 0x80 && !joined.are_joined(text[at - 1], text[at])) return at;
  return std::string::npos;
}

void check_utf8(const RawChunk& chunk) {
  const std::int64_t bad = first_invalid_utf8(chunk.bytes);
  if (bad < 0) return;
  const std::int64_t line =
      chunk.line + std::count(chunk.bytes.begin(), chunk.bytes.begin() + bad, '\n');
  const bool has_zeros = chunk.bytes.find('\0') != std::string::npos;
  fail(
      Exit::data, "{}: byte {} (line {}): {:#04x} is not valid UTF-8 here; {}", chunk.file,
      chunk.offset + bad, line,
      static_cast<unsigned>(static_cast<unsigned char>(chunk.bytes[static_cast<std::size_t>(bad)])),
      has_zeros ? "it has zero bytes too: no text, or UTF-16, which iconv -f UTF-16LE -t UTF-8 (or "
                  "UTF-16BE) turns into UTF-8"
                : "if it is text, convert it to UTF-8 first, for example with iconv -f "
                  "WINDOWS-1252 -t UTF-8");
}

/// Characters that text does not hold: not tab, newline, backspace, form feed, escape.
constexpr bool is_no_text(unsigned char c) {
  return c < 8 || (c > 13 && c < 32 && c != 27) || c == 127;
}

/// A few zero bytes are kept and counted; a text that is made of such bytes is none.
void count_zeros(const RawChunk& chunk, TextChunk& text) {
  std::int64_t zeros = 0, strange = 0;
  for (const char c : text.text) {
    zeros += c == '\0';
    strange += is_no_text(static_cast<unsigned char>(c));
  }
  text.zeros = zeros;
  const auto all = static_cast<std::int64_t>(text.text.size());
  const bool many = strange >= 32 && 32 * strange > all, short_one = zeros >= 8 && 5 * zeros > all;
  if (many || short_one)
    fail(Exit::data,
         "{}: {} of the {} bytes from byte {} on are zeros or other control characters: this is no "
         "text, or UTF-16 or another encoding that was read as an 8-bit one; see what `file {}` "
         "says, and convert the original by that, for example iconv -f UTF-16LE -t UTF-8",
         chunk.file, strange, all, chunk.offset, chunk.file);
}

/// Where the byte-order mark goes that some programs put before a text, also before the first line
/// of a part that was appended.
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

/// The start of a line that a mark may begin.
std::size_t before_mark(std::string_view bytes, std::size_t at) {
  return bytes.substr(0, at).ends_with(byte_order_mark) ? at - byte_order_mark.size() : at;
}

TextChunk documents_of_text(const RawChunk& chunk) {
  TextChunk out;
  const std::string_view bytes = chunk.bytes;
  std::size_t taken = 0, at = 0;
  while ((at = bytes.find(document_separator, at)) != std::string_view::npos) {
    const std::size_t line = before_mark(bytes, at);
    const bool starts = line == 0 ? chunk.starts_line : bytes[line - 1] == '\n';
    std::size_t end = at + document_separator.size();
    if (end < bytes.size() && bytes[end] == '\r') ++end;  // files with CR LF
    const bool ends = end == bytes.size() ? chunk.ends_file : bytes[end] == '\n';
    if (starts && ends) {
      out.text.append(bytes.substr(taken, line - taken));
      out.ends.push_back(out.text.size());
      taken = std::min(end + 1, bytes.size());
    }
    at = end;
  }
  out.text.append(bytes.substr(taken));
  out.ends_file = chunk.ends_file;
  return out;
}

[[noreturn]] void fail_line(const RawChunk& chunk, std::int64_t line, const std::string& problem) {
  fail(Exit::data,
       "{}: line {}: {}; expected one JSON object with a \"text\" string on each line (plain text "
       "needs a name that does not end in .json, .jsonl or .ndjson)",
       chunk.file, line, problem);
}

/// A reason without "line 1, ", where the text was one line of many.
std::string in_this_line(const std::string& why) {
  constexpr std::string_view first = "line 1, ";
  return why.starts_with(first) ? why.substr(first.size()) : why;
}

TextChunk documents_of_json(const RawChunk& chunk) {
  TextChunk out;
  std::string_view rest = chunk.bytes;
  for (std::int64_t line = chunk.line; !rest.empty(); ++line) {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    nlohmann::json object;
    const std::string why = parse_json_or_say_why(one, object);
    if (!why.empty()) fail_line(chunk, line, "not valid JSON: " + in_this_line(why));
    if (!object.is_object()) fail_line(chunk, line, "a JSON " + std::string(object.type_name()));
    const auto text = object.find("text");
    if (text == object.end()) fail_line(chunk, line, "no field \"text\"");
    if (!text->is_string())
      fail_line(chunk, line, "\"text\" is a " + std::string(text->type_name()));
    out.text += text->get_ref<const std::string&>();
    out.ends.push_back(out.text.size());
  }
  out.ends_file = chunk.ends_file;
  return out;
}

}  // namespace

TextLayout layout_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const char* packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.resize(name.rfind('.'));
  for (const char* json : {".jsonl", ".ndjson", ".json"})
    if (name.ends_with(json)) return TextLayout::json_lines;
  return TextLayout::text;
}

ChunkReader::ChunkReader(std::vector<std::string> files, const JoinedBytes* joined)
    : files_(std::move(files)), joined_(joined) {
  for (const std::string& file : files_) {
    std::error_code problem;
    const auto status = std::filesystem::status(file, problem);
    if (std::filesystem::is_directory(status))
      fail(Exit::data, "{}: a folder; expected a text file, give its files instead ({}/*.txt)",
           file, file);
    if (std::filesystem::is_other(status))
      fail(Exit::data,
           "{}: a pipe or device; text is read twice, for the tokenizer and for the tokens: write "
           "it to a file first",
           file);
    const auto bytes = std::filesystem::file_size(file, problem);
    if (problem) fail(Exit::data, "cannot read {}: {}", file, problem.message());
    bytes_total_ += static_cast<std::int64_t>(bytes);
  }
}

void ChunkReader::open_next() {
  const std::string& file = files_[next_file_++];
  source_ = std::make_unique<ByteSource>(file);
  place_ = RawChunk{};
  place_.file = file;
  place_.layout = layout_of(file);
  constexpr std::size_t enough = 4096;
  while (waiting_.size() < enough && source_->read(waiting_)) {}
  check_start(std::string_view(waiting_).substr(0, enough));
  if (!waiting_.starts_with(byte_order_mark)) return;
  waiting_.erase(0, byte_order_mark.size());
  place_.offset = static_cast<std::int64_t>(byte_order_mark.size());
}

/// Of the unpacked file: what it is if it is no UTF-8 text.
void ChunkReader::check_start(std::string_view start) const {
  const FileKind* kind = kind_of(start);
  if (!kind) kind = wide_text_in(start);
  if (!kind) return;
  const bool packed = source_->is_packed();
  fail(Exit::data, "{}: expected UTF-8 text or JSON lines, {} {}; {}", place_.file,
       packed ? "unpacked it is" : "this is", kind->name,
       packed ? fmt::format("unpack it (gzip -dc or zstd -dc {} > FILE), then {}", place_.file,
                            kind->as_text)
              : kind->as_text);
}

void ChunkReader::finish_file() {
  finished_.push_back({place_.file, source_->bytes_read(), source_->sha256()});
  finished_bytes_ += source_->bytes_read();
  source_.reset();
}

/// How much of waiting_ may be given out now; 0: more must be read first.
std::size_t ChunkReader::cut(TextLayout layout) const {
  if (waiting_.size() < chunk_bytes) return 0;
  const bool lines_apart = layout == TextLayout::json_lines || !joined_;
  const std::size_t line =
      lines_apart ? after_last_line(waiting_) : after_last_line(waiting_, *joined_);
  if (line != std::string::npos) return line;
  if (layout == TextLayout::json_lines) {
    if (waiting_.size() > longest_json) fail_line(place_, place_.line, too_long);
    return 0;
  }
  return waiting_.size() < longest_line ? 0 : cut_line();
}

/// The same where no line ends safely.  The last line may be the beginning of a separator.
std::size_t ChunkReader::cut_line() const {
  const std::size_t line = after_last_line(waiting_);
  const std::string_view head = std::string_view(waiting_).substr(0, line);
  const std::size_t word = before_last_spaces(head);
  if (word != std::string::npos && (!joined_ || !joined_->are_joined(head[word - 1], head[word])))
    return word;
  const std::size_t border = joined_ ? last_border(head, *joined_) : std::string::npos;
  if (border != std::string::npos) return border;
  return line != std::string::npos ? line : whole_characters(waiting_);
}

std::optional<RawChunk> ChunkReader::next() {
  if (!source_) {
    if (next_file_ == files_.size()) return std::nullopt;
    open_next();
  }
  std::size_t size = cut(place_.layout);
  bool more = true;
  while (size == 0 && (more = source_->read(waiting_))) size = cut(place_.layout);
  if (!more) size = waiting_.size();

  RawChunk chunk = place_;
  chunk.ends_file = !more;
  chunk.bytes = waiting_.substr(0, size);
  waiting_.erase(0, size);
  place_.offset += static_cast<std::int64_t>(size);
  place_.line += std::count(chunk.bytes.begin(), chunk.bytes.end(), '\n');
  if (size > 0) place_.starts_line = chunk.bytes.back() == '\n';
  bytes_read_ = finished_bytes_ + source_->bytes_read();
  if (!more) finish_file();
  return chunk;
}

TextChunk documents_in(const RawChunk& chunk) {
  check_utf8(chunk);
  TextChunk text =
      chunk.layout == TextLayout::json_lines ? documents_of_json(chunk) : documents_of_text(chunk);
  count_zeros(chunk, text);
  return text;
}

}  // namespace dfascale
