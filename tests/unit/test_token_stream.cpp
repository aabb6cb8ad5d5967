// Token files: both layouts, shards as one stream, every error with its message.
#include <gtest/gtest.h>

#include <numeric>
#include <utility>

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
  tokens[42] = 6553;
  write_file(folder / "train_000003.bin", llmc_bytes(tokens));
  TokenStream stream = TokenStream::open(folder.path(), Split::train, TokenFormat::llmc);
  EXPECT_EQ(stream.largest_token(), 6553);
  EXPECT_EQ(stream.check_vocabulary(6554, {}).largest, 6553);
  const std::vector<std::string> words = {"train_000003.bin", "token 6553", "number 42",
                                          "model.vocab = 6553;", "at least 6554"};
  expect_error(Exit::data, words, [&] { stream.check_vocabulary(6553, {}); });
}

TEST(TokenStream, NoVocabularyIsAdvisedThatIsRefused) {
  const TemporaryFolder folder;
  write_file(folder / "a.bin", llmc_bytes({5, 7, 65535}));
  TokenStream stream = TokenStream::open(folder / "a.bin", Split::train, TokenFormat::llmc);
  expect_error(Exit::data, {"token 7", "number 1", "65535", "uint16", "at most 65535"},
               [&] { stream.check_vocabulary(6, {}); });
}

std::vector<std::uint16_t> wild(std::size_t count) {
  std::vector<std::uint16_t> tokens(count);
  for (std::size_t i = 0; i < count; ++i)
    tokens[i] = static_cast<std::uint16_t>((i * 2654435761u >> 7) % 50000);
  return tokens;
}

/// Of all shares, on so many ranks.
std::uint64_t fingerprint(const std::string& where, std::int64_t ranks = 1,
                          TokenFormat format = TokenFormat::llmc) {
  TokenStream stream = TokenStream::open(where, Split::train, format);
  std::uint64_t hash = 0;
  for (std::int64_t rank = 0; rank < ranks; ++rank)
    hash += stream.check_vocabulary(65535, {rank, ranks}).hash;
  return stream.fingerprint(hash);
}

TEST(TokenStream, EveryTokenIsInOneShare) {
  const TemporaryFolder folder;
  auto tokens = wild(1'000'000);
  for (const std::size_t at : {0u, 131071u, 131072u, 524287u, 999999u}) {
    const std::uint16_t before = std::exchange(tokens[at], 60000);
    write_file(folder / "a.bin", llmc_bytes(tokens));
    tokens[at] = before;
    TokenStream stream = TokenStream::open(folder / "a.bin", Split::train, TokenFormat::llmc);
    for (const std::int64_t ranks : {1, 2, 3, 7, 200}) {
      std::int64_t complaints = 0;
      for (std::int64_t rank = 0; rank < ranks; ++rank) try {
          stream.check_vocabulary(60000, {rank, ranks});
        } catch (const Error&) {
          ++complaints;
        }
      EXPECT_EQ(complaints, 1) << at << " on " << ranks;
    }
  }
}

TEST(TokenStream, FingerprintIsOfEveryTokenInOrder) {
  const TemporaryFolder folder;
  const std::string a = folder / "a.bin", b = folder / "b.bin";
  auto tokens = wild(1'000'000);
  write_file(a, llmc_bytes(tokens));
  const std::uint64_t whole = fingerprint(a);
  for (const std::int64_t ranks : {2, 3, 7, 200}) EXPECT_EQ(fingerprint(a, ranks), whole);
  write_file(b, test::bytes_of(tokens));
  EXPECT_EQ(fingerprint(b, 1, TokenFormat::raw), whole);  // the tokens count, not how they lie
  for (const std::size_t at : {0u, 77u, 131072u, 654321u, 999999u}) {
    tokens[at] ^= 1;
    write_file(b, llmc_bytes(tokens));
    EXPECT_NE(fingerprint(b), whole) << at;
    tokens[at] ^= 1;
  }
  std::rotate(tokens.begin(), tokens.begin() + 131072, tokens.end());  // whole blocks change place
  write_file(b, llmc_bytes(tokens));
  EXPECT_NE(fingerprint(b), whole);
  tokens.pop_back();
  write_file(b, llmc_bytes(tokens));
  EXPECT_NE(fingerprint(b), whole);
}

TEST(TokenStream, FingerprintDoesNotDependOnShards) {
  const TemporaryFolder a, b;
  write_three(a);
  write_file(b / "other.bin", llmc_bytes(counting(0, 10)));
  EXPECT_EQ(fingerprint(a.path()), fingerprint(b / "other.bin"));
  std::filesystem::rename(a / "train_000002.bin", a / "train_000000x.bin");  // another order
  EXPECT_NE(fingerprint(a.path()), fingerprint(b / "other.bin"));
}

TEST(TokenStream, OlderFingerprintTellsSomeDataApart) {
  const TemporaryFolder a, b;
  write_three(a);
  write_three(b);
  const auto print = [](const TemporaryFolder& folder) {
    return TokenStream::open(folder.path(), Split::train, TokenFormat::llmc).sampled_fingerprint();
  };
  EXPECT_EQ(print(a), print(b));               // the folder's own name does not count
  EXPECT_EQ(print(a), 0x698d4b2d06abfc9cull);  // what older versions wrote into checkpoints
  write_file(b / "train_000001.bin", llmc_bytes(counting(7, 1)));
  EXPECT_NE(print(a), print(b));
}

TEST(TokenStream, FilesThatChangeAreErrors) {
  const TemporaryFolder folder;
  const std::string a = folder / "a.bin";
  write_file(a, llmc_bytes(counting(0, 1000)));
  TokenStream stream = TokenStream::open(a, Split::train, TokenFormat::llmc);
  stream.check_vocabulary(1000, {});
  std::vector<std::int32_t> out(1000);
  auto later = counting(0, 1000);
  later[700] = 1000;  // in place: the same inode
  write_file(a, llmc_bytes(later));
  EXPECT_NO_THROW(stream.read(0, 700, out.data()));
  expect_error(Exit::data, {"a.bin", "token 1000", "number 700", "model.vocab = 1000", "changed"},
               [&] { stream.read(0, 1000, out.data()); });
  std::filesystem::resize_file(a, 1024 + 400);
  expect_error(Exit::data, {"a.bin", "cut short", "3024 bytes", "1424 now"},
               [&] { stream.read(100, 500, out.data()); });
  EXPECT_NO_THROW(stream.read(100, 100, out.data()));
  std::filesystem::remove(a);  // what is open stays
  EXPECT_NO_THROW(stream.read(100, 100, out.data()));
}

TEST(TokenStream, AFileThatIsNotKeptOpenMustStayTheSame) {
  const TemporaryFolder folder;
  const std::string a = folder / "a.bin";
  write_file(a, llmc_bytes(counting(0, 100)));
  const TokenFile file(a, TokenFormat::llmc, Descriptors::each_time);
  std::uint16_t out[3] = {};
  file.read(50, 3, out);
  EXPECT_EQ(out[2], 52);
  write_file(folder / "b.bin", llmc_bytes(counting(0, 100)));
  std::filesystem::rename(folder / "b.bin", a);
  expect_error(Exit::data, {"a.bin", "another file"}, [&] { file.read(50, 3, out); });
  std::filesystem::remove(a);
  expect_error(Exit::data, {"a.bin", "No such file"}, [&] { file.read(50, 3, out); });
}

TEST(TokenStream, ManyShardsNeedNoMoreDescriptorsThanThereAre) {
  const TemporaryFolder folder;
  std::vector<std::int32_t> expected;
  for (std::uint16_t i = 0; i < 1500; ++i) {
    write_file(folder / fmt::format("train_{:06}.bin", i), llmc_bytes({i}));
    expected.push_back(i);
  }
  EXPECT_EQ(all(TokenStream::open(folder.path(), Split::train, TokenFormat::llmc)), expected);
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
