// Text in: documents, JSON lines, packed files, UTF-8, and every error with its message.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <random>

#include "base/utf8.hpp"
#include "data/sha256.hpp"
#include "data/text_source.hpp"
#include "data/token_file.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::expect_error;
using test::TemporaryFolder;
using test::write_file;

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstandard(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

/// A token file of llm.c, but for its length.
std::string llmc(const std::string& contents) {
  const std::int32_t magic = token_file_magic;
  return std::string(reinterpret_cast<const char*>(&magic), sizeof magic) + contents;
}

/// The documents of files, put together over chunks.
std::vector<std::string> documents(const std::vector<std::string>& files) {
  ChunkReader reader(files);
  std::vector<std::string> found;
  std::string open;
  while (const auto raw = reader.next()) {
    const TextChunk chunk = documents_in(*raw);
    std::size_t taken = 0;
    for (const std::size_t end : chunk.ends) {
      found.push_back(open + chunk.text.substr(taken, end - taken));
      open.clear();
      taken = end;
    }
    open += chunk.text.substr(taken);
    if (chunk.ends_file && !open.empty()) {
      found.push_back(open);
      open.clear();
    }
  }
  EXPECT_EQ(reader.bytes_read(), reader.bytes_total());
  return found;
}

std::string long_text(std::size_t bytes) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < bytes)
    text += "word" + std::to_string(random() % 5000) + (random() % 12 ? " " : "\n");
  return text;
}

using Documents = std::vector<std::string>;

TEST(TextSource, SeparatorLinesEndDocuments) {
  const TemporaryFolder folder;
  const std::pair<std::string, Documents> cases[] = {
      {"", {}},
      {"one", {"one"}},
      {"one\n", {"one\n"}},
      {"one\n<|endoftext|>\ntwo\n", {"one\n", "two\n"}},
      {"one\n<|endoftext|>\n", {"one\n"}},
      {"one\n<|endoftext|>", {"one\n"}},
      {"<|endoftext|>\n<|endoftext|>\nthree", {"", "", "three"}},
      {"one\r\n<|endoftext|>\r\ntwo\r\n", {"one\r\n", "two\r\n"}},
      {"\xef\xbb\xbf<|endoftext|>\none", {"", "one"}},
      {"\xef\xbb\xbfone\n\xef\xbb\xbf<|endoftext|>\n\xef\xbb\xbftwo", {"one\n", "\xef\xbb\xbftwo"}},
      {"one\n\xef\xbb\xbf<|endoftext|> \n", {"one\n\xef\xbb\xbf<|endoftext|> \n"}},
      {"\xef\xbb\xbf", {}},
      {"in a <|endoftext|> line\n", {"in a <|endoftext|> line\n"}},
      {" <|endoftext|>\n<|endoftext|> \n", {" <|endoftext|>\n<|endoftext|> \n"}},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(documents({write_file(folder / "a.txt", text)}), expected) << text;
}

TEST(TextSource, AFileEndsItsLastDocument) {
  const TemporaryFolder folder;
  const auto a = write_file(folder / "a.txt", "one"), b = write_file(folder / "b.txt", "two");
  EXPECT_EQ(documents({a, b}), (Documents{"one", "two"}));
}

TEST(TextSource, JsonLinesHoldTexts) {
  const TemporaryFolder folder;
  const std::string lines =
      "{\"text\": \"one\\ntwo\\u0000\\u2581\", \"url\": \"x\"}\r\n\n{\"n\": [1], \"text\": "
      "\"\"}\n{\"text\":\"end\"}";
  const Documents expected = {std::string("one\ntwo\0\xe2\x96\x81", 11), "", "end"};
  for (const char* name : {"a.jsonl", "a.json", "A.NDJSON"})
    EXPECT_EQ(documents({write_file(folder / name, lines)}), expected) << name;
  EXPECT_EQ(documents({write_file(folder / "a.json.gz", gzipped(lines))}), expected);
  EXPECT_EQ(documents({write_file(folder / "a.jsonl.zst", zstandard(lines))}), expected);
}

TEST(TextSource, PackedFilesAreToldByTheirFirstBytes) {
  const TemporaryFolder folder;
  const std::string text = long_text(5'000'000);
  for (const std::string& packed : {text, gzipped(text), zstandard(text)})
    EXPECT_EQ(documents({write_file(folder / "a.txt", packed)}), Documents{text});
  const std::string half = text.substr(0, text.size() / 2), rest = text.substr(text.size() / 2);
  EXPECT_EQ(documents({write_file(folder / "a.txt", gzipped(half) + gzipped(rest))}),
            Documents{text});
  EXPECT_EQ(documents({write_file(folder / "a.txt", zstandard(half) + zstandard(rest))}),
            Documents{text});
}

/// A frame that unpackers skip, as pzstd writes one before each frame of data.
std::string skippable_frame(const std::string& contents) {
  std::string frame = {'\x5a', '\x2a', '\x4d', '\x18', static_cast<char>(contents.size()), 0, 0, 0};
  return frame + contents;
}

TEST(TextSource, PackedFilesAsOtherProgramsWriteThem) {
  const TemporaryFolder folder;
  const std::string text = long_text(3'000'000), zeros(3'000'000, '\0');
  const std::string half = text.substr(0, text.size() / 2), rest = text.substr(text.size() / 2);
  const auto read = [&](const std::string& packed) {
    return documents({write_file(folder / "a.txt", packed)});
  };
  EXPECT_EQ(
      read(skippable_frame("pzstd") + zstandard(half) + skippable_frame("") + zstandard(rest)),
      Documents{text});
  EXPECT_EQ(read(gzipped(text) + std::string(7, '\0')), Documents{text});
  EXPECT_EQ(read(gzipped(text) + zeros), Documents{text});  // over the end of a block
  EXPECT_EQ(read(gzipped(half) + std::string(512, '\0') + gzipped(rest)), Documents{text});
  EXPECT_EQ(read(gzipped("\xef\xbb\xbf" + text)), Documents{text});
  EXPECT_EQ(read(gzipped("")), Documents{});
  expect_error(Exit::data, {"a.txt", "no gzip data", "gzip -dc"},
               [&] { read(gzipped(text) + "trailing"); });
}

std::string utf16(const std::string& text, bool big) {
  std::string out;
  for (const char c : text) out += big ? std::string{'\0', c} : std::string{c, '\0'};
  return out;
}

TEST(TextSource, OtherFilesAreNamed) {
  const TemporaryFolder folder;
  const std::string text = long_text(100'000), tar_head = std::string(257, '\0') + "ustar";
  const std::string zeros(3, '\0');
  std::string utf32;
  for (const char c : text) utf32 += c + zeros;
  using namespace std::string_literals;
  struct Case {
    std::string contents;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {"\xfd"
       "7zXZ\0\0"s +
           text,
       {"xz data", "xz -dc"}},
      {"BZh91AY&SY" + text, {"bzip2", "bzip2 -dc"}},
      {"PK\x03\x04" + text, {"zip archive"}},
      {"7z\xbc\xaf\x27\x1c" + text, {"7z archive"}},
      {tar_head + text, {"tar archive", "tar -xf"}},
      {gzipped(tar_head + text), {"unpacked it is a tar archive"}},
      {gzipped(gzipped(text)), {"unpacked it is gzip data"}},
      {"PAR1\x15\x04" + text, {"Parquet", "JSON lines"}},
      {"%PDF-1.7\n" + text, {"PDF", "pdftotext"}},
      {"\x89HDF\r\n\x1a\n" + text, {"HDF5"}},
      {"\x93NUMPY" + text, {"NumPy"}},
      {llmc(text), {"token file of llm.c", "data.train"}},
      {"\xff\xfe" + utf16(text, false), {"UTF-16", "iconv -f UTF-16LE -t UTF-8"}},
      {"\xfe\xff" + utf16(text, true), {"UTF-16", "iconv -f UTF-16BE -t UTF-8"}},
      {utf16(text, false), {"UTF-16", "UTF-16LE"}},
      {utf16(text, true), {"UTF-16", "UTF-16BE"}},
      {utf16("hi\n", false), {"UTF-16LE"}},
      {gzipped(utf16(text, false)), {"unpacked it is UTF-16", "UTF-16LE"}},
      {"\xff\xfe\0\0"s + utf32, {"UTF-32LE"}},
      {utf32, {"UTF-32LE"}},
      {zstandard(std::string(1000, '\0')), {"zeros or other control characters", "no text"}},
      {text + std::string(20'000, '\0'), {"zeros or other control characters", "iconv"}},
      {text + "\xff" + zeros, {"byte 100", "not valid UTF-8", "zero bytes", "UTF-16"}},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.words.front());
    std::vector<std::string> words = bad.words;
    words.emplace_back("some.txt");
    write_file(folder / "some.txt", bad.contents);
    expect_error(Exit::data, words, [&] { documents({folder / "some.txt"}); });
  }
}

TEST(TextSource, AFewZeroBytesAreText) {
  const TemporaryFolder folder;
  std::string text = long_text(100'000);
  for (std::size_t at = 50; at < text.size(); at += 1000) text[at] = '\0';
  EXPECT_EQ(documents({write_file(folder / "a.txt", text)}), Documents{text});
  ChunkReader reader({folder / "a.txt"});
  EXPECT_EQ(documents_in(*reader.next()).zeros, 100);
}

TEST(TextSource, ChunksEndWhereTheTokenizerJoinsNothing) {
  const TemporaryFolder folder;
  JoinedBytes joined;
  joined.add("\n\n");
  joined.add("\nw");
  joined.add("d 1");
  std::string text = long_text(6'000'000);
  for (std::size_t at = 100; at < text.size(); at += 1'500'000)
    text.insert(at, "\n\n\n<|endoftext|>\n");
  const auto file = write_file(folder / "a.txt", text);
  ChunkReader reader({file}, &joined);
  std::string all;
  while (const auto chunk = reader.next()) {
    if (!all.empty() && !chunk->bytes.empty() && !all.ends_with("<|endoftext|>\n")) {
      EXPECT_FALSE(joined.are_joined(all.back(), chunk->bytes.front())) << all.size();
    }
    EXPECT_LT(chunk->bytes.size(), 6'000'000u);
    all += chunk->bytes;
  }
  EXPECT_EQ(all, text);
}

TEST(TextSource, LongLinesAreCutBetweenWords) {
  const TemporaryFolder folder;
  std::string text = long_text(12'000'000);
  std::replace(text.begin(), text.end(), '\n', ' ');
  write_file(folder / "a.txt", text + "\n<|endoftext|>\nnext");
  EXPECT_EQ(documents({folder / "a.txt"}), (Documents{text + "\n", "next"}));
  ChunkReader reader({folder / "a.txt"});
  std::int64_t chunks = 0;
  while (const auto chunk = reader.next()) {
    ++chunks;
    EXPECT_LT(chunk->bytes.size(), 6'000'000u);  // memory stays bounded
    if (chunk->offset > 0 && chunk->offset < 12'000'000) {
      EXPECT_EQ(chunk->bytes[0], ' ');
    }
  }
  EXPECT_GT(chunks, 2);
}

TEST(TextSource, OneEndlessWordIsCutBetweenCharacters) {
  const TemporaryFolder folder;
  std::string text = "x";
  while (text.size() < 9'000'000) text += "\xe2\x82\xac";
  EXPECT_EQ(documents({write_file(folder / "a.txt", text)}), Documents{text});
}

TEST(TextSource, InvalidUtf8IsNamedByFileAndByte) {
  const TemporaryFolder folder;
  std::string text = long_text(3'000'000);
  text[2'345'678] = '\xe9';
  const std::vector<std::string> words = {"byte 2345678", "0xe9", "UTF-8", "iconv"};
  const auto read = [&folder](const std::string& name) {
    return [&folder, name] { documents({folder / name}); };
  };
  write_file(folder / "a.txt", text);
  write_file(folder / "a.txt.gz", gzipped(text));
  expect_error(Exit::data, words, read("a.txt"));
  expect_error(Exit::data, words, read("a.txt.gz"));  // the offset is that in the unpacked text
  write_file(folder / "cut.txt", "abc\xe2\x82");
  expect_error(Exit::data, {"cut.txt", "byte 3", "0xe2"}, read("cut.txt"));
  write_file(folder / "b.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\xff\"}\n");
  expect_error(Exit::data, {"b.jsonl", "byte 24", "line 2", "0xff"}, read("b.jsonl"));
}

TEST(TextSource, WrongFilesSayWhatToDo) {
  const TemporaryFolder folder;
  const std::string text = long_text(300'000), gz = gzipped(text), zst = zstandard(text);
  std::string damaged = gz;
  damaged[gz.size() / 2] = static_cast<char>(~damaged[gz.size() / 2]);
  struct Case {
    const char* name;
    std::string contents;
    std::vector<std::string> words;
  };
  const Case cases[] = {
      {"cut.gz", gz.substr(0, gz.size() / 2), {"cut off"}},
      {"cut.zst", zst.substr(0, zst.size() / 2), {"cut off"}},
      {"damaged.gz", damaged, {"damaged gzip"}},
      {"notjson.jsonl",
       "{\"text\": \"a\"}\nhello\n",
       {"line 2", "not valid JSON: column 1", "text"}},
      {"half.jsonl",
       "{\"text\": \"a\"}\n{\"text\": \"\\ud800\"}\n",
       {"line 2", "column 17", "surrogate"}},
      {"nan.jsonl", "{\"text\": \"a\", \"n\": NaN}\n", {"line 1", "column 20", "NaN"}},
      {"deep.jsonl",
       "{\"text\": \"a\"}\n" + std::string(100'000, '[') + "\n",
       {"line 2", "column 65", "deep"}},
      {"notext.jsonl", "{\"txet\": \"a\"}\n", {"line 1", "no field \"text\""}},
      {"number.jsonl", "{\"text\": 7}\n", {"line 1", "is a number"}},
      {"array.json", "[1]\n", {"line 1", "JSON array"}},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.name);
    std::vector<std::string> words = bad.words;
    words.emplace_back(bad.name);
    write_file(folder / bad.name, bad.contents);
    expect_error(Exit::data, words, [&] { documents({folder / bad.name}); });
  }
  expect_error(Exit::data, {"nowhere.txt", "No such file"},
               [&] { ChunkReader({folder / "nowhere.txt"}); });
  expect_error(Exit::data, {folder.path(), "folder"}, [&] { ChunkReader({folder.path()}); });
}

TEST(TextSource, KeepsChecksumsOfTheFilesOnDisk) {
  const TemporaryFolder folder;
  const std::string packed = gzipped("some text\n");
  ChunkReader reader(
      {write_file(folder / "a.txt.gz", packed), write_file(folder / "b.txt", "abc")});
  while (reader.next()) {}
  ASSERT_EQ(reader.finished().size(), 2u);
  EXPECT_EQ(reader.finished()[0].sha256, sha256_of_file(folder / "a.txt.gz"));
  EXPECT_EQ(reader.finished()[1].sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(reader.finished()[1].bytes, 3);
}

TEST(Sha256, KnownValuesInAnyPieces) {
  // FIPS 180-4 examples: the empty text and a million letters a.
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string letters(1000, 'a');
  for (const std::size_t piece : {1u, 63u, 64u, 65u, 1000u}) {
    Sha256 sum;
    for (int thousand = 0; thousand < 1000; ++thousand)
      for (std::size_t at = 0; at < 1000; at += piece)
        sum.add(letters.data(), std::min<std::size_t>(piece, 1000 - at));
    EXPECT_EQ(sum.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST(Utf8, WellFormedAndNot) {
  for (const char* good : {"", "plain", "\xc3\xa9", "\xe2\x96\x81", "\xf0\x9f\x98\x80",
                           "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(first_invalid_utf8(good), -1) << good;
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf8\x88", "\xe2\x96", "\xc3", "\xe2\x28\xa1"})
    for (const std::size_t before : {0u, 1u, 7u, 8u, 9u})
      EXPECT_EQ(first_invalid_utf8(std::string(before, 'a') + bad + "zzzzzzzzzzzz"),
                static_cast<std::int64_t>(before));
}

TEST(Utf8, CutsBetweenCharacters) {
  const std::string text = "a\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80";  // ends at 1, 3, 6, 10
  const std::size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
  for (std::size_t size = 0; size <= text.size(); ++size)
    EXPECT_EQ(whole_characters(std::string_view(text).substr(0, size)), expected[size]) << size;
}

}  // namespace
}  // namespace dfascale
