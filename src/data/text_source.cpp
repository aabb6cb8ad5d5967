// Cutting files into chunks and chunks into documents.
#include "data/text_source.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "data/utf8.hpp"

namespace dfascale {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 20;
constexpr std::size_t longest_line = 4 * chunk_bytes;  // of text; a longer one is cut between words
constexpr std::size_t longest_json = 64 * chunk_bytes;  // a line, which cannot be cut
constexpr const char* too_long = "longer than 64 MiB";

/// After the last newline, or npos.
std::size_t after_last_line(const std::string& text) {
  const std::size_t newline = text.rfind('\n');
  return newline == std::string::npos ? newline : newline + 1;
}

/// Before the last run of spaces that follows a word: no token crosses there.
std::size_t before_last_spaces(const std::string& text) {
  std::size_t at = text.rfind(' ');
  while (at != std::string::npos && at > 0 && text[at - 1] == ' ') --at;
  return at == 0 ? std::string::npos : at;
}

void check_utf8(const RawChunk& chunk) {
  const std::int64_t bad = first_invalid_utf8(chunk.bytes);
  if (bad < 0) return;
  const std::int64_t line =
      chunk.line + std::count(chunk.bytes.begin(), chunk.bytes.begin() + bad, '\n');
  fail(Exit::data,
       "{}: byte {} (line {}): {:#04x} is not valid UTF-8 here; convert the file to UTF-8 first, "
       "for "
       "example with iconv -f WINDOWS-1252 -t UTF-8",
       chunk.file, chunk.offset + bad, line,
       static_cast<unsigned>(
           static_cast<unsigned char>(chunk.bytes[static_cast<std::size_t>(bad)])));
}

TextChunk documents_of_text(const RawChunk& chunk) {
  TextChunk out;
  const std::string_view bytes = chunk.bytes;
  std::size_t taken = 0, at = 0;
  while ((at = bytes.find(document_separator, at)) != std::string_view::npos) {
    const bool starts = at == 0 ? chunk.starts_line : bytes[at - 1] == '\n';
    std::size_t end = at + document_separator.size();
    if (end < bytes.size() && bytes[end] == '\r') ++end;  // files with CR LF
    const bool ends = end == bytes.size() ? chunk.ends_file : bytes[end] == '\n';
    if (starts && ends) {
      out.text.append(bytes.substr(taken, at - taken));
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

TextChunk documents_of_json(const RawChunk& chunk) {
  TextChunk out;
  std::string_view rest = chunk.bytes;
  for (std::int64_t line = chunk.line; !rest.empty(); ++line) {
    const std::string_view one = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    if (one.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto object = nlohmann::json::parse(one, nullptr, false);
    if (object.is_discarded()) fail_line(chunk, line, "not valid JSON");
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

ChunkReader::ChunkReader(std::vector<std::string> files) : files_(std::move(files)) {
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
}

void ChunkReader::finish_file() {
  finished_.push_back({place_.file, source_->bytes_read(), source_->sha256()});
  finished_bytes_ += source_->bytes_read();
  source_.reset();
}

/// How much of waiting_ may be given out now; 0: more must be read first.
std::size_t ChunkReader::cut(TextLayout layout) const {
  if (waiting_.size() < chunk_bytes) return 0;
  const std::size_t line = after_last_line(waiting_);
  if (line != std::string::npos) return line;
  if (layout == TextLayout::json_lines) {
    if (waiting_.size() > longest_json) fail_line(place_, place_.line, too_long);
    return 0;
  }
  if (waiting_.size() < longest_line) return 0;
  const std::size_t word = before_last_spaces(waiting_);
  return word != std::string::npos ? word : whole_characters(waiting_);
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
  return chunk.layout == TextLayout::json_lines ? documents_of_json(chunk)
                                                : documents_of_text(chunk);
}

}  // namespace dfascale
