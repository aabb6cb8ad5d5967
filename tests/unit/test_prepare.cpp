// dfascale prepare from text to folder: what is written, that nothing else is, and that threads,
// packing and failures change nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "data/corpus_info.hpp"
#include "data/prepare.hpp"
#include "data/sha256.hpp"
#include "data/token_stream.hpp"
#include "data/tokenizer.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"
#include "tests/support/texts.hpp"

namespace dfascale {
namespace {

using test::expect_error;
using test::read_file;
using test::write_file;

std::vector<std::int32_t> tokens_of(const std::string& folder, Split split) {
  const TokenStream stream = TokenStream::open(folder, split, TokenFormat::llmc);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(stream.size()));
  stream.read(0, stream.size(), tokens.data());
  return tokens;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void write_gzip(const std::string& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

class Prepare : public testing::Test {
 protected:
  Prepare() {
    log::speak_on_this_rank(false);
    write_file(folder_ / "train.txt", train_);
    write_file(folder_ / "valid.txt", valid_);
  }
  PrepareOptions options(const std::string& out, std::int64_t vocab = 500) const {
    PrepareOptions made;
    made.train = {folder_ / "train.txt"};
    made.valid = {folder_ / "valid.txt"};
    made.out = folder_ / out;
    made.vocab = vocab;
    made.threads = 2;
    return made;
  }
  void expect_failure(const PrepareOptions& wrong, Exit code,
                      const std::vector<std::string>& words) const {
    const std::vector<std::string> before = names_in(folder_.path());
    expect_error(code, words, [&] { prepare(wrong); });
    EXPECT_EQ(names_in(folder_.path()), before);  // no folder is left behind
  }

  std::string out_file(const std::string& out, const std::string& name) const {
    return folder_ / (out + "/" + name);
  }

  test::TemporaryFolder folder_;
  std::string train_ =
      test::made_up_text(1, 30000) + "<|endoftext|>\n" + test::made_up_text(2, 3000);
  std::string valid_ = test::made_up_text(3, 2000);
};

TEST_F(Prepare, WritesShardsTokenizerAndRecord) {
  prepare(options("out"));
  const std::string out = folder_ / "out";
  EXPECT_EQ(names_in(out), (std::vector<std::string>{"corpus.json", "tokenizer.model",
                                                     "train_000000.bin", "valid_000000.bin"}));
  const Tokenizer tokenizer(out + "/tokenizer.model");
  EXPECT_EQ(tokenizer.decode(tokens_of(out, Split::train)), train_ + "<|endoftext|>\n");
  EXPECT_EQ(tokenizer.decode(tokens_of(out, Split::valid)), valid_ + "<|endoftext|>\n");

  const auto record = nlohmann::json::parse(read_file(out + "/corpus.json"));
  EXPECT_EQ(record["vocab"], 500);
  EXPECT_EQ(record["end_of_text"], tokenizer.end_of_text());
  EXPECT_EQ(record["tokenizer"]["sha256"], sha256_of_file(out + "/tokenizer.model"));
  EXPECT_EQ(record["train"]["documents"], 2);
  EXPECT_EQ(record["train"]["text_bytes"], train_.size() - 14);
  EXPECT_EQ(record["train"]["shards"][0]["sha256"], sha256_of_file(out + "/train_000000.bin"));
  EXPECT_EQ(record["train"]["inputs"][0]["file"], "train.txt");
  EXPECT_EQ(record["train"]["inputs"][0]["sha256"], sha256_of_file(folder_ / "train.txt"));
}

TEST_F(Prepare, CorpusInfoIsReadBack) {
  prepare(options("out"));
  const auto info = read_corpus_info(folder_ / "out");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->vocab, 500);
  EXPECT_EQ(info->train_tokens,
            static_cast<std::int64_t>(tokens_of(folder_ / "out", Split::train).size()));
  const auto valid_tokens = tokens_of(folder_ / "out", Split::valid).size();
  EXPECT_EQ(info->valid_tokens, static_cast<std::int64_t>(valid_tokens));
  EXPECT_DOUBLE_EQ(info->valid_bytes_per_token,
                   static_cast<double>(valid_.size()) / static_cast<double>(valid_tokens));
  EXPECT_EQ(info->tokenizer, folder_ / "out/tokenizer.model");

  EXPECT_FALSE(read_corpus_info(folder_.path()));
  EXPECT_EQ(info->train_shards.front().tokens, info->train_tokens);
  const std::string record = read_file(folder_ / "out/corpus.json");
  write_file(folder_ / "out/corpus.json", "{\"format\": 1}");
  expect_error(Exit::data, {"corpus.json", "not written by dfascale prepare"},
               [&] { read_corpus_info(folder_ / "out"); });
  std::string large = record;
  large.replace(large.find("\"vocab\": 500"), 12, "\"vocab\": 65536");
  write_file(folder_ / "out/corpus.json", large);
  expect_error(Exit::data, {"corpus.json", "vocab 65536", "1 to 65535"},
               [&] { read_corpus_info(folder_ / "out"); });
  write_file(folder_ / "out/corpus.json", "{\"format\": 2}");
  expect_error(Exit::data, {"corpus.json", "format 2", "expected 1"},
               [&] { read_corpus_info(folder_ / "out"); });
  const std::pair<const char*, const char*> changes[] = {
      {"\"file\": \"tokenizer.model\"", "\"file\": \"../../etc/passwd\""},
      {"\"file\": \"train_000000.bin\"", "\"file\": \"train\\u0000.bin\""},
      {"\"tokens\": ", "\"tokens\": -"},
      {"\"tokens\": ", "\"tokens\": 1e30, \"t\": "},
      {"\"bytes_per_token\": ", "\"bytes_per_token\": -"},
      {"\"vocab\": 500", "\"vocab\": 5e2"}};
  for (const auto& [from, to] : changes) {
    std::string changed = record;
    for (std::size_t at = 0; (at = changed.find(from, at)) != std::string::npos;
         at += std::string(to).size())
      changed.replace(at, std::string(from).size(), to);
    write_file(folder_ / "out/corpus.json", changed);
    expect_error(Exit::data, {"corpus.json", "expected"},
                 [&] { read_corpus_info(folder_ / "out"); });
  }
  write_file(folder_ / "out/corpus.json", std::string(200'000, '['));
  expect_error(Exit::data, {"corpus.json", "column 65", "deep"},
               [&] { read_corpus_info(folder_ / "out"); });
}

TEST_F(Prepare, TokensOfTwoTokenizersAreToldApart) {
  prepare(options("out"));
  PrepareOptions again = options("again", 0);
  again.tokenizer = folder_ / "out/tokenizer.model";
  prepare(again);
  prepare(options("smaller", 400));
  check_same_tokenizer(folder_ / "out", folder_ / "again");
  check_same_tokenizer(folder_ / "out", folder_.path());  // no corpus.json
  expect_error(Exit::data, {folder_ / "smaller", "400", "another tokenizer", "500"},
               [&] { check_same_tokenizer(folder_ / "out", folder_ / "smaller"); });
}

TEST_F(Prepare, APartOfACorpusIsNotTakenForIt) {
  PrepareOptions in_shards = options("out");
  in_shards.shard_tokens = 100;
  prepare(in_shards);
  const std::string out = folder_ / "out", second = out + "/train_000001.bin";
  const auto open = [&] { TokenStream::open(out, Split::train, TokenFormat::llmc); };
  open();
  std::filesystem::copy_file(second, out + "/train_999999.bin");
  expect_error(Exit::data, {"train_999999.bin", "not in corpus.json"}, open);
  std::filesystem::rename(out + "/train_999999.bin", folder_ / "away");
  std::filesystem::rename(out + "/train_000000.bin", second);
  expect_error(Exit::data, {"train_000000.bin", "missing"}, open);
  std::filesystem::remove(out + "/corpus.json");
  open();  // another program's
  std::filesystem::create_directory(out + "/.prepare-partial");
  expect_error(Exit::data, {out, "was stopped"}, open);
}

TEST_F(Prepare, ThreadsDoNotChangeAByte) {
  std::string big;
  for (std::uint32_t seed = 0; seed < 8; ++seed)
    big += test::made_up_text(seed, 100000) + "<|endoftext|>\n";
  write_file(folder_ / "train.txt", big);
  for (const int threads : {1, 2, 5}) {
    PrepareOptions with = options("out" + std::to_string(threads));
    with.threads = threads;
    with.shard_tokens = 300'000;
    prepare(with);
  }
  const std::vector<std::string> names = names_in(folder_ / "out1");
  EXPECT_GT(names.size(), 6u);
  for (const char* other : {"out2", "out5"}) {
    ASSERT_EQ(names_in(folder_ / other), names);
    for (const std::string& name : names)
      EXPECT_EQ(sha256_of_file(out_file("out1", name)), sha256_of_file(out_file(other, name)))
          << name;
  }
}

TEST_F(Prepare, ShardsHoldTheSameStream) {
  prepare(options("one"));
  PrepareOptions small = options("many");
  small.shard_tokens = 1000;
  prepare(small);
  EXPECT_GT(TokenStream::open(folder_ / "many", Split::train, TokenFormat::llmc).files().size(),
            20u);
  EXPECT_EQ(tokens_of(folder_ / "many", Split::train), tokens_of(folder_ / "one", Split::train));
}

TEST_F(Prepare, NastyTextsComeBackFromShards) {
  std::mt19937 random(5);
  std::vector<std::string> texts = test::nasty_texts();
  for (int i = 0; i < 200; ++i) texts.push_back(test::random_text(random, random() % 300));
  std::string lines;
  for (const std::string& text : texts) lines += nlohmann::json{{"text", text}}.dump() + "\n";
  write_file(folder_ / "nasty.jsonl", lines);
  PrepareOptions with = options("out");
  with.train.push_back(folder_ / "nasty.jsonl");
  prepare(with);

  const Tokenizer tokenizer(folder_ / "out/tokenizer.model");
  std::vector<std::string> documents(1);
  std::vector<std::int32_t> open;
  for (const std::int32_t token : tokens_of(folder_ / "out", Split::train)) {
    if (token != tokenizer.end_of_text()) {
      open.push_back(token);
      continue;
    }
    documents.back() = tokenizer.decode(open);
    documents.emplace_back();
    open.clear();
  }
  ASSERT_EQ(documents.size(), 2 + texts.size() + 1);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(documents[2 + i], texts[i]) << i;
}

TEST_F(Prepare, PackedAndJsonTextGiveTheSameTokens) {
  prepare(options("plain"));
  PrepareOptions other = options("other", 0);
  other.tokenizer = folder_ / "plain/tokenizer.model";
  write_gzip(folder_ / "train.txt.gz", train_);
  other.train = {folder_ / "train.txt.gz"};
  write_gzip(folder_ / "valid.json.gz", nlohmann::json{{"text", valid_}}.dump() + "\n");
  other.valid = {folder_ / "valid.json.gz"};
  prepare(other);
  for (const Split split : {Split::train, Split::valid})
    EXPECT_EQ(tokens_of(folder_ / "other", split), tokens_of(folder_ / "plain", split));
  const auto record = nlohmann::json::parse(read_file(folder_ / "other/corpus.json"));
  EXPECT_EQ(record["tokenizer"]["origin"], "given");
}

TEST_F(Prepare, ExistingCorpusIsReplacedOnlyWhenAsked) {
  prepare(options("out"));
  write_file(folder_ / "out/notes.txt", "mine");
  write_file(folder_ / "out/train_000099.bin", "old");
  const std::string before = read_file(folder_ / "out/corpus.json");
  expect_failure(options("out", 400), Exit::data, {"already holds a prepared corpus", "--force"});
  EXPECT_EQ(read_file(folder_ / "out/corpus.json"), before);
  PrepareOptions force = options("out", 400);
  force.existing = Existing::replace;
  prepare(force);
  EXPECT_EQ(read_corpus_info(folder_ / "out")->vocab, 400);
  EXPECT_EQ(names_in(folder_ / "out"),
            (std::vector<std::string>{"corpus.json", "notes.txt", "tokenizer.model",
                                      "train_000000.bin", "valid_000000.bin"}));
}

TEST_F(Prepare, FilesOfOthersAreNeverRemoved) {
  for (const char* name : {"train_mine.bin", "valid_.bin"}) {
    const std::string file = folder_ / ("out/" + std::string(name));
    std::filesystem::create_directory(folder_ / "out");
    write_file(file, "mine");
    PrepareOptions force = options("out");
    force.existing = Existing::replace;
    expect_failure(force, Exit::data, {name, "move it away"});
    EXPECT_EQ(read_file(file), "mine");
    std::filesystem::remove(file);
  }
  std::filesystem::create_directory(folder_ / "out/train_000000.bin");
  PrepareOptions force = options("out");
  force.existing = Existing::replace;
  expect_failure(force, Exit::data, {"train_000000.bin", "move it away"});
}

TEST_F(Prepare, FailedReplacementKeepsWhatWasThere) {
  prepare(options("out"));
  const std::string before = read_file(folder_ / "out/corpus.json");
  PrepareOptions force = options("out", 400);
  force.existing = Existing::replace;
  force.valid = {write_file(folder_ / "bad.txt", "caf\xe9")};
  const std::string planted = write_file(folder_ / "out/.prepare-partial", "of something else");
  expect_failure(force, Exit::data, {".prepare-partial", "move it away"});
  EXPECT_EQ(read_file(planted), "of something else");
  std::filesystem::remove(planted);
  expect_failure(force, Exit::data, {"bad.txt", "byte 3"});
  EXPECT_EQ(read_file(folder_ / "out/corpus.json"), before);
  EXPECT_EQ(names_in(folder_ / "out").size(), 4u);
}

TEST_F(Prepare, AFullDiskLeavesNothing) {
  struct Limit {  // a file may not grow beyond 20 kB: writes fail as on a full disk
    Limit() {
      std::signal(SIGXFSZ, SIG_IGN);
      ::getrlimit(RLIMIT_FSIZE, &before);
      rlimit low = before;
      low.rlim_cur = 20'000;
      ::setrlimit(RLIMIT_FSIZE, &low);
    }
    ~Limit() { ::setrlimit(RLIMIT_FSIZE, &before); }
    rlimit before{};
  };
  const std::vector<std::string> before = names_in(folder_.path());
  {
    const Limit limit;
    expect_error(Exit::data,
                 {"cannot write", "train_000000.bin", "File too large", "nothing was put in place"},
                 [&] { prepare(options("out")); });
  }
  EXPECT_EQ(names_in(folder_.path()), before);
}

TEST_F(Prepare, MistakesSayWhatToDo) {
  PrepareOptions wrong = options("out");
  wrong.train.clear();
  expect_failure(wrong, Exit::usage, {"--train", "--valid"});
  wrong = options("out");
  wrong.out = "";
  expect_failure(wrong, Exit::usage, {"--out"});
  wrong = options("out");
  wrong.valid = wrong.train;
  expect_failure(wrong, Exit::usage, {"train.txt", "training and as validation"});
  wrong = options("out");
  wrong.tokenizer = "some.model";
  expect_failure(wrong, Exit::usage, {"--vocab", "--tokenizer"});
  for (const std::int64_t vocab : {0, -1, 65536, 100000})
    expect_failure(options("out", vocab), Exit::usage, {"--vocab", "65535"});
  expect_failure(options("out", 258), Exit::usage, {"--vocab 258", "259"});
  expect_failure(options("out", 65000), Exit::data,
                 {"--vocab 65000", "too small for so many tokens"});
  wrong = options("out");
  wrong.train.push_back(folder_ / "nowhere.txt");
  expect_failure(wrong, Exit::data, {"nowhere.txt", "No such file"});
  wrong = options("out", 0);
  wrong.tokenizer = folder_ / "nowhere.model";
  expect_failure(wrong, Exit::data, {"nowhere.model", "No such file"});
  wrong = options("train.txt/inside");
  expect_failure(wrong, Exit::data, {"train.txt/inside", "--out"});
  wrong = options("out");
  wrong.valid = {write_file(folder_ / "empty.txt", "")};
  expect_failure(wrong, Exit::data, {"empty.txt", "no text"});
}

}  // namespace
}  // namespace dfascale
