#include "data/file_kind.hpp"

#include <algorithm>
#include <array>

namespace dfascale {
namespace {

using namespace std::string_view_literals;

constexpr const char* takes_text = "prepare takes UTF-8 text or JSON lines";
constexpr const char* save_as_text = "save it as plain UTF-8 text first";
constexpr const char* no_tokens = "make tokens from text with dfascale prepare";
constexpr const char* unpack_archive = "take the text files out of it first";
constexpr const char* export_rows =
    "write its texts as JSON lines first, one {\"text\": ...} a row, for example with Python";
constexpr const char* utf16_le = "convert it first: iconv -f UTF-16LE -t UTF-8 FILE > NEW";
constexpr const char* utf16_be = "convert it first: iconv -f UTF-16BE -t UTF-8 FILE > NEW";
constexpr const char* utf32_le = "convert it first: iconv -f UTF-32LE -t UTF-8 FILE > NEW";
constexpr const char* utf32_be = "convert it first: iconv -f UTF-32BE -t UTF-8 FILE > NEW";

constexpr FileKind same_for_both(std::string_view signature, std::size_t at, const char* name,
                                 const char* what_to_do, MayBe may_be = MayBe::nothing_else) {
  return {signature, at, name, what_to_do, what_to_do, may_be};
}

constexpr FileKind no_text(std::string_view signature, const char* name,
                           const char* as_text = takes_text, MayBe may_be = MayBe::nothing_else) {
  return {signature, 0, name, as_text, no_tokens, may_be};
}

constexpr FileKind wide_kinds[] = {
    no_text("\xff\xfe\0\0"sv, "UTF-32 text (little-endian)", utf32_le),
    no_text("\0\0\xfe\xff"sv, "UTF-32 text (big-endian)", utf32_be),
    no_text("\xff\xfe"sv, "UTF-16 text (little-endian)", utf16_le, MayBe::tokens_too),
    no_text("\xfe\xff"sv, "UTF-16 text (big-endian)", utf16_be, MayBe::tokens_too),
};
enum WideKind { utf32_little, utf32_big, utf16_little, utf16_big };

// The first that fits counts.
constexpr FileKind kinds[] = {
    {"\x1f\x8b"sv, 0, "gzip data", "unpack it first: gzip -dc FILE > NEW",
     "unpack it first: gzip -dc FILE > NEW", MayBe::tokens_too, Packing::gzip},
    {"\x28\xb5\x2f\xfd"sv, 0, "Zstandard data", "unpack it first: zstd -dc FILE > NEW",
     "unpack it first: zstd -dc FILE > NEW", MayBe::nothing_else, Packing::zstandard},
    {"\x50\x2a\x4d\x18"sv, 0, "Zstandard data (it begins with a skippable frame)",
     "unpack it first: zstd -dc FILE > NEW", "unpack it first: zstd -dc FILE > NEW",
     MayBe::nothing_else, Packing::zstandard, 0xf0},
    same_for_both("\xfd"
                  "7zXZ\0"sv,
                  0, "xz data", "unpack it first: xz -dc FILE > NEW"),
    same_for_both("1AY&SY"sv, 4, "bzip2 data", "unpack it first: bzip2 -dc FILE > NEW"),
    same_for_both("\x5d\0\0"sv, 0, "lzma data", "unpack it first: xz -dc FILE > NEW",
                  MayBe::tokens_too),
    same_for_both("LZIP\x01"sv, 0, "lzip data", "unpack it first: lzip -dc FILE > NEW"),
    same_for_both("\x04\x22\x4d\x18"sv, 0, "LZ4 data", "unpack it first: lz4 -dc FILE > NEW"),
    same_for_both("\x89LZO\0"sv, 0, "lzop data", "unpack it first: lzop -dc FILE > NEW"),
    same_for_both("\xff\x06\0\0sNaPpY"sv, 0, "Snappy data", "unpack it first"),
    same_for_both("\x1f\x9d"sv, 0, "compress data (.Z)", "unpack it first: gzip -dc FILE > NEW",
                  MayBe::tokens_too),
    same_for_both("PK\x03\x04"sv, 0, "a zip archive (.zip, .docx, .xlsx, .epub, .npz, .pt)",
                  unpack_archive),
    same_for_both("PK\x05\x06"sv, 0, "an empty zip archive", unpack_archive),
    same_for_both("7z\xbc\xaf\x27\x1c"sv, 0, "a 7z archive", unpack_archive),
    same_for_both("Rar!\x1a\x07"sv, 0, "a RAR archive", unpack_archive),
    same_for_both("ustar"sv, 257, "a tar archive",
                  "take the text files out of it first: tar -xf FILE"),
    same_for_both("!<arch>\n"sv, 0, "an ar archive (.a, .deb)", unpack_archive),
    no_text("PAR1\x15"sv, "a Parquet file", export_rows),
    no_text("ARROW1\0\0"sv, "an Arrow file", export_rows),
    no_text("Obj\x01"sv, "an Avro file", export_rows),
    no_text("SQLite format 3\0"sv, "an SQLite database", export_rows),
    no_text("%PDF-"sv, "a PDF document", "take its text out first: pdftotext FILE NEW"),
    no_text("{\\rtf"sv, "an RTF document", save_as_text),
    no_text("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "an old Office document (.doc, .xls, .ppt)",
            save_as_text),
    no_text("\x89HDF\r\n\x1a\n"sv, "an HDF5 file"),
    {"\x93NUMPY"sv, 0, "a NumPy array (.npy)", takes_text,
     "write plain uint16 numbers instead (array.astype(\"uint16\").tofile) and read them with "
     "data.format = \"raw\"",
     MayBe::nothing_else},
    no_text("\x80\x04\x95"sv, "a Python pickle", takes_text, MayBe::tokens_too),
    no_text("\0\0\0\0{\""sv, "a safetensors file"),
    no_text("GGUF"sv, "a GGUF model"),
    no_text("\x7f"
            "ELF"sv,
            "a program or library"),
    no_text("\x89PNG\r\n"sv, "a PNG picture"),
    no_text("\xff\xd8\xff"sv, "a JPEG picture", takes_text, MayBe::tokens_too),
    {"\x88\xd8\x34\x01"sv, 0, "a token file of llm.c",
     "it holds tokens already: name it in data.train or data.valid",
     "read it with data.format = \"llmc\"", MayBe::nothing_else},
    {"\xa1\xd9\x34\x01"sv, 0, "a token file of llm.c for Llama 3 (first number 20240801)",
     "it holds tokens already, but uint32 ones, which dfascale cannot read: take the text",
     "it holds uint32 tokens; dfascale reads uint16 tokens, of vocabularies up to 65535: prepare "
     "the text with such a tokenizer",
     MayBe::nothing_else},
};

bool fits(const FileKind& kind, std::string_view start) {
  std::string_view signature = kind.signature;
  if (start.size() < kind.at + signature.size()) return false;
  start.remove_prefix(kind.at);
  const auto first = [&](std::string_view text) {
    return static_cast<unsigned char>(text[0]) & kind.first_mask;
  };
  return first(start) == first(signature) &&
         start.substr(1, signature.size() - 1) == signature.substr(1);
}

/// Zero bytes at places 0, 1, 2 and 3 of each four bytes.
std::array<std::size_t, 4> zeros_by_place(std::string_view bytes) {
  std::array<std::size_t, 4> zeros{};
  for (std::size_t i = 0; i < bytes.size(); ++i) zeros[i % 4] += bytes[i] == '\0';
  return zeros;
}

}  // namespace

const FileKind* kind_of(std::string_view start) {
  for (const FileKind& kind : kinds)
    if (fits(kind, start)) return &kind;
  for (const FileKind& kind : wide_kinds)
    if (fits(kind, start)) return &kind;
  return nullptr;
}

const FileKind* wide_text_in(std::string_view start) {
  const auto zeros = zeros_by_place(start);
  const std::size_t even = zeros[0] + zeros[2], odd = zeros[1] + zeros[3], units = start.size() / 2;
  const std::size_t all = even + odd, most = std::max(even, odd);
  // A text in Latin letters has a zero in every unit; in others at least its spaces and newlines
  // do.
  const bool many = all >= 3 && 2 * all >= units, some = all >= 8 && 10 * all >= units;
  const bool nothing_else = 10 * all > 9 * start.size();
  if ((!many && !some) || nothing_else) return nullptr;
  const std::size_t fours = start.size() / 4, nearly = fours - fours / 10;
  if (fours >= 2 && zeros[2] >= nearly && zeros[3] >= nearly) return &wide_kinds[utf32_little];
  if (fours >= 2 && zeros[0] >= nearly && zeros[1] >= nearly) return &wide_kinds[utf32_big];
  if (20 * (all - most) > most) return nullptr;
  return &wide_kinds[odd > even ? utf16_little : utf16_big];
}

}  // namespace dfascale
