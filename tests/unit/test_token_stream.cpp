// Token files: both layouts, shards as one stream, every error with its message.
#include <gtest/gtest.h>

#include <numeric>

#include "data/token_stream.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"

namespace dfascale {
namespace {

using test::expect_error;
using test::llmc_bytes;
using test::TemporaryFolder;
using test::write_file;

std::vector<std::uint16_t> counting(std::uint16_t first, std::size_t count) {
  std::vector<std::uint16_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::vector<std::int32_t> all(const TokenStream& stream) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(stream.size()));
  stream.read(0, stream.size(), tokens.data());
  return tokens;
}

std::vector<std::int32_t> expected(std::int32_t count) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

/// Three shards of 5, 1 and 4 tokens that count from 0 to 9, written out of order.
void write_three(const TemporaryFolder& folder) {
  write_file(folder / "train_000002.bin", llmc_bytes(counting(6, 4)));
  write_file(folder / "train_000000.bin", llmc_bytes(counting(0, 5)));
  write_file(folder / "train_000001.bin", llmc_bytes(counting(5, 1)));
  write_file(folder / "valid_000000.bin", llmc_bytes(counting(100, 3)));
  write_file(folder / "train_notes.txt", "not tokens");
}

TEST(TokenStream, FolderIsOneStreamInNameOrder) {
  const TemporaryFolder folder;
  write_three(folder);
  const TokenStream train = TokenStream::open(folder.path(), Split::train, TokenFormat::llmc);
  EXPECT_EQ(train.size(), 10);
  EXPECT_EQ(train.files().size(), 3u);
  EXPECT_EQ(all(train), expected(10));
  const TokenStream valid = TokenStream::open(folder.path(), Split::valid, TokenFormat::llmc);
  EXPECT_EQ(all(valid), (std::vector<std::int32_t>{100, 101, 102}));
}

TEST(TokenStream, ReadsAcrossShardsFromAnywhere) {
  const TemporaryFolder folder;
  write_three(folder);
  const TokenStream stream =
      TokenStream::open(folder / "train_*.bin", Split::train, TokenFormat::llmc);
  for (std::int64_t first = 0; first <= 10; ++first)
    for (std::int64_t count = 0; first + count <= 10; ++count) {
      std::vector<std::int32_t> got(static_cast<std::size_t>(count));
      stream.read(first, count, got.data());
      for (std::int64_t i = 0; i < count; ++i)
        ASSERT_EQ(got[static_cast<std::size_t>(i)], first + i) << first << " " << count;
    }
  std::int32_t one = 0;
  EXPECT_THROW(stream.read(10, 1, &one), Error);
  EXPECT_THROW(stream.read(-1, 1, &one), Error);
}

TEST(TokenStream, RawFilesHaveNoHeader) {
  const TemporaryFolder folder;
  write_file(folder / "train.bin", test::bytes_of(counting(0, 7)));
  const TokenStream stream =
      TokenStream::open(folder / "train.bin", Split::train, TokenFormat::raw);
  EXPECT_EQ(all(stream), expected(7));
}

TEST(TokenStream, LargestTokenAndVocabulary) {
  const TemporaryFolder folder;
  write_three(folder);
  auto tokens = counting(0, 100);
  tokens[42] = 65535;
  write_file(folder / "train_000003.bin", llmc_bytes(tokens));
  const TokenStream stream = TokenStream::open(folder.path(), Split::train, TokenFormat::llmc);
  EXPECT_EQ(stream.largest_token(), 65535);
  EXPECT_NO_THROW(stream.check_vocabulary(65536, {}));
  expect_error(Exit::data,
               {"train_000003.bin", "token 65535", "number 42", "model.vocab = 65535", "65536"},
               [&] { stream.check_vocabulary(65535, {}); });
  std::int64_t complaints = 0;  // every token is in one share
  for (const std::int64_t ranks : {1, 2, 3, 7, 200})
    for (std::int64_t rank = 0; rank < ranks; ++rank) try {
        stream.check_vocabulary(65535, {rank, ranks});
      } catch (const Error&) {
        ++complaints;
      }
  EXPECT_EQ(complaints, 5);
}

TEST(TokenStream, FingerprintTellsDataApart) {
  const TemporaryFolder a, b;
  write_three(a);
  write_three(b);
  const auto print = [](const TemporaryFolder& folder) {
    return TokenStream::open(folder.path(), Split::train, TokenFormat::llmc).fingerprint();
  };
  EXPECT_EQ(print(a), print(b));  // the folder's own name does not count
  write_file(b / "train_000001.bin", llmc_bytes(counting(7, 1)));
  EXPECT_NE(print(a), print(b));
  write_three(b);
  std::filesystem::rename(b / "train_000002.bin", b / "train_000005.bin");
  EXPECT_NE(print(a), print(b));
}

struct BadFile {
  const char* name;
  std::string contents;
  TokenFormat format;
  std::vector<std::string> words;
};

TEST(TokenStream, BadFilesSayWhatToDo) {
  const TemporaryFolder folder;
  const std::string good = llmc_bytes(counting(0, 10));
  const BadFile cases[] = {
      {"magic.bin",
       llmc_bytes(counting(0, 9), 7),
       TokenFormat::llmc,
       {"7 instead of 20240520", "raw", "prepare"}},
      {"nanogpt.bin",
       test::bytes_of(counting(5, 900)),
       TokenFormat::llmc,
       {"nanoGPT", "data.format = \"raw\""}},
      {"text.bin",
       "It is a truth universally acknowledged",
       TokenFormat::llmc,
       {"text", "prepare"}},
      {"version.bin",
       llmc_bytes(counting(0, 9), 20240520, 2),
       TokenFormat::llmc,
       {"version 2", "expected version 1"}},
      {"short.bin",
       good.substr(0, good.size() - 3),
       TokenFormat::llmc,
       {"cut off", "1041 bytes found", "1044 expected"}},
      {"long.bin",
       good + "xx",
       TokenFormat::llmc,
       {"too long", "1046 bytes found", "1044 expected"}},
      {"header.bin", good.substr(0, 100), TokenFormat::llmc, {"cut off", "100 bytes", "1024"}},
      {"none.bin", llmc_bytes({}), TokenFormat::llmc, {"counts 0 tokens"}},
      {"zero.bin", "", TokenFormat::llmc, {"empty", "prepare"}},
      {"zero.raw", "", TokenFormat::raw, {"empty"}},
      {"odd.raw", "abc", TokenFormat::raw, {"3 bytes", "odd"}},
      {"llmc.raw", good, TokenFormat::raw, {"data.format = \"llmc\""}},
  };
  for (const BadFile& bad : cases) {
    SCOPED_TRACE(bad.name);
    std::vector<std::string> words = bad.words;
    words.emplace_back(bad.name);
    write_file(folder / bad.name, bad.contents);
    expect_error(Exit::data, words,
                 [&] { TokenStream::open(folder / bad.name, Split::train, bad.format); });
  }
}

TEST(TokenStream, MissingFilesSayWhatToDo) {
  const TemporaryFolder folder;
  const auto open = [&](const std::string& where) {
    return [&folder, where] { TokenStream::open(where, Split::valid, TokenFormat::llmc); };
  };
  expect_error(Exit::data, {"no valid_*.bin", "prepare", "glob"}, open(folder.path()));
  expect_error(Exit::data, {"nowhere.bin", "no such file or folder", "data.valid"},
               open(folder / "nowhere.bin"));
  expect_error(Exit::data, {"x_*.bin", "no file matches"}, open(folder / "x_*.bin"));
  expect_error(Exit::data, {"data.valid", "nothing given"}, open(""));
}

}  // namespace
}  // namespace dfascale
