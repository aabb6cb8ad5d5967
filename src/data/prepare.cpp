// Two passes over the text: count words and train the tokenizer, then encode.  Each pass reads in
// one place, works on chunks in all threads and takes the results in the order of the text.
#include "data/prepare.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "data/corpus_info.hpp"
#include "data/in_order.hpp"
#include "data/sha256.hpp"
#include "data/shard_writer.hpp"
#include "data/staging.hpp"
#include "data/text_source.hpp"
#include "data/token_format.hpp"
#include "data/tokenizer.hpp"
#include "data/tokenizer_training.hpp"

namespace dfascale {
namespace {

// 256 bytes, two marks and the space; tokens are stored as uint16 (SPEC section 4).
constexpr std::int64_t smallest_vocab = 259;

/// "encoding train:  45%  312 of 690 MB  32.1 MB/s  12 s left", a few times a second.
class Progress {
 public:
  explicit Progress(std::string what) : what_(std::move(what)), start_(seconds_now()) {}

  void show(const ChunkReader& reader) {
    const double now = seconds_now();
    if (now - shown_ < 0.2) return;
    shown_ = now;
    const double done = static_cast<double>(reader.bytes_read()),
                 all = static_cast<double>(reader.bytes_total());
    const double speed = done / std::max(now - start_, 1e-3);
    if (all <= 0) return;
    log::progress(fmt::format("{}: {:3.0f}%  {:.0f} of {:.0f} MB  {:.1f} MB/s  {:.0f} s left",
                              what_, 100 * done / all, done / 1e6, all / 1e6, speed / 1e6,
                              (all - done) / speed));
  }
  double seconds() const { return seconds_now() - start_; }

 private:
  std::string what_;
  double start_, shown_ = -1e30;
};

int thread_count(const PrepareOptions& options) {
  return options.threads > 0 ? options.threads
                             : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void check(const PrepareOptions& options) {
  if (options.train.empty() || options.valid.empty())
    fail(Exit::usage, "prepare needs text for both splits: --train FILE... --valid FILE...");
  if (options.out.empty()) fail(Exit::usage, "prepare needs a folder to write to: --out DIR");
  if (options.vocab != 0 && !options.tokenizer.empty())
    fail(Exit::usage, "--vocab trains a tokenizer, --tokenizer gives one: take one of the two");
  if (options.tokenizer.empty() &&
      (options.vocab < smallest_vocab || options.vocab > largest_vocabulary))
    fail(Exit::usage,
         "--vocab {}: expected a number of tokens from {} (bytes and marks) to {} (they are stored "
         "as uint16)",
         options.vocab, smallest_vocab, largest_vocabulary);
  std::error_code ignored;  // a file that is not there is named when it is opened
  for (const std::string& file : options.train)
    for (const std::string& other : options.valid)
      if (file == other || std::filesystem::equivalent(file, other, ignored))
        fail(Exit::usage, "{}: given as training and as validation text; take one of the two",
             file);
}

/// Packed text grows about threefold or fourfold; the size of the sample need not be exact.
double share_to_sample(const std::vector<std::string>& files, std::int64_t bytes_on_disk) {
  const bool packed = std::any_of(files.begin(), files.end(), [](const std::string& file) {
    return file.ends_with(".gz") || file.ends_with(".zst");
  });
  return sampled_share(packed ? 4 * bytes_on_disk : bytes_on_disk);
}

WordCounts count_words(const std::vector<std::string>& files, int threads) {
  ChunkReader reader(files);
  Progress progress("counting words");
  const double share = share_to_sample(files, reader.bytes_total());
  std::vector<WordCounts> counts(static_cast<std::size_t>(threads));
  InOrder<RawChunk, bool>::run(
      threads, [&reader] { return reader.next(); },
      [&](int thread, const RawChunk& chunk) {
        count_sample(chunk, documents_in(chunk), share, counts[static_cast<std::size_t>(thread)]);
        return true;
      },
      [&](bool) { progress.show(reader); });
  for (std::size_t t = 1; t < counts.size(); ++t) counts[0].add(counts[t]);
  return std::move(counts[0]);
}

Tokenizer make_tokenizer(const PrepareOptions& options) {
  if (!options.tokenizer.empty()) {
    Tokenizer given(options.tokenizer);
    if (!given.switched_off().empty())
      log::warn("{}: {} is switched off, so that text comes back unchanged", options.tokenizer,
                given.switched_off());
    return given;
  }
  const WordCounts counts = count_words(options.train, thread_count(options));
  if (counts.words() == 0)
    fail(Exit::data, "{}: no text in the train files", options.train.front());
  log::say("training a tokenizer of {} tokens on {:.1f} MB of text, {} different words",
           options.vocab, static_cast<double>(counts.bytes()) / 1e6, counts.words());
  const TrainedModel model = train_tokenizer(counts, options.vocab);
  log::say("trained in {:.1f} s", model.seconds);
  return Tokenizer::from_bytes(model.bytes, "the trained tokenizer");
}

struct EncodedChunk {
  std::string file;
  std::vector<std::uint16_t> tokens;
  std::int64_t documents, text_bytes, zeros;
  bool ends_file;
};

EncodedChunk encode(const RawChunk& raw, Encoder& encoder, std::uint16_t end_of_text) {
  const TextChunk chunk = documents_in(raw);
  EncodedChunk out{raw.file,
                   {},
                   static_cast<std::int64_t>(chunk.ends.size()),
                   static_cast<std::int64_t>(chunk.text.size()),
                   chunk.zeros,
                   chunk.ends_file};
  const std::string_view text = chunk.text;
  std::size_t taken = 0;
  for (const std::size_t end : chunk.ends) {
    encoder.encode(text.substr(taken, end - taken), out.tokens);
    out.tokens.push_back(end_of_text);
    taken = end;
  }
  encoder.encode(text.substr(taken), out.tokens);
  return out;
}

/// Takes chunks in order: writes and counts their tokens, ends a file's last document.
class SplitWriter {
 public:
  SplitWriter(const std::string& folder, const std::string& name, const PrepareOptions& options,
              std::uint16_t end_of_text)
      : writer_(folder, name, options.shard_tokens), end_of_text_(end_of_text) {}

  void take(const EncodedChunk& chunk) {
    add(chunk.tokens.data(), static_cast<std::int64_t>(chunk.tokens.size()));
    if (!chunk.tokens.empty()) document_open_ = chunk.tokens.back() != end_of_text_;
    record_.documents += chunk.documents;
    record_.text_bytes += chunk.text_bytes;
    if (chunk.zeros > 0) zeros_[chunk.file] += chunk.zeros;
    if (!chunk.ends_file || !document_open_) return;
    add(&end_of_text_, 1);
    ++record_.documents;
    document_open_ = false;
  }

  SplitRecord finish(std::vector<InputFile> inputs) {
    record_.shards = writer_.finish();
    record_.inputs = std::move(inputs);
    for (const auto& [file, zeros] : zeros_)
      log::warn("{}: {} zero byte(s) in the text; they are kept as they are", file, zeros);
    return record_;
  }

 private:
  void add(const std::uint16_t* tokens, std::int64_t count) {
    writer_.write(tokens, count);
    record_.tokens += count;
  }

  ShardWriter writer_;
  std::uint16_t end_of_text_;
  bool document_open_ = false;
  SplitRecord record_;
  std::map<std::string, std::int64_t> zeros_;  ///< bytes 0 in the text, by file
};

/// By what the files hold, not by their names.
void warn_of_repeats(const CorpusRecord& record) {
  std::map<std::string, std::string> seen;
  for (const InputFile& input : record.train.inputs)
    if (const auto [first, is_new] = seen.emplace(input.sha256, input.path);
        !is_new && input.bytes > 0)
      log::warn("{}: the same text as {}: it is trained on twice as often as other text",
                input.path, first->second);
  for (const InputFile& input : record.valid.inputs)
    if (const auto found = seen.find(input.sha256); found != seen.end() && input.bytes > 0)
      log::warn(
          "{}: validation text that is training text too ({}): validation losses will be too good",
          input.path, found->second);
}

SplitRecord encode_split(const std::string& name, const std::vector<std::string>& files,
                         const std::string& folder, const PrepareOptions& options,
                         const Tokenizer& tokenizer) {
  const int threads = thread_count(options);
  const auto end_of_text = static_cast<std::uint16_t>(tokenizer.end_of_text());
  ChunkReader reader(files, &tokenizer.joined());
  Progress progress("encoding " + name);
  SplitWriter writer(folder, name, options, end_of_text);
  std::vector<Encoder> encoders(static_cast<std::size_t>(threads), Encoder(tokenizer));
  InOrder<RawChunk, EncodedChunk>::run(
      threads, [&reader] { return reader.next(); },
      [&](int thread, const RawChunk& chunk) {
        return encode(chunk, encoders[static_cast<std::size_t>(thread)], end_of_text);
      },
      [&](const EncodedChunk& chunk) {
        writer.take(chunk);
        progress.show(reader);
      });
  SplitRecord record = writer.finish(reader.finished());
  if (record.text_bytes == 0) fail(Exit::data, "{}: no text in the {} files", files.front(), name);
  log::say("{}: {} tokens in {} documents, {:.3f} bytes per token, {:.1f} MB/s", name,
           record.tokens, record.documents,
           static_cast<double>(record.text_bytes) / static_cast<double>(record.tokens),
           static_cast<double>(record.text_bytes) / 1e6 / std::max(progress.seconds(), 1e-3));
  return record;
}

}  // namespace

void prepare(const PrepareOptions& options) {
  check(options);
  for (const auto* files : {&options.train, &options.valid}) const ChunkReader all_there(*files);
  Staging staging(options.out, options.existing);
  const Tokenizer tokenizer = make_tokenizer(options);
  CorpusRecord record;
  record.vocab = tokenizer.vocab();
  record.end_of_text = tokenizer.end_of_text();
  record.tokenizer_was_given = !options.tokenizer.empty();
  record.train = encode_split("train", options.train, staging.folder(), options, tokenizer);
  record.valid = encode_split("valid", options.valid, staging.folder(), options, tokenizer);
  warn_of_repeats(record);
  write_whole_file(staging.folder() + "/tokenizer.model", tokenizer.model_bytes());
  record.tokenizer_sha256 = sha256_of_file(staging.folder() + "/tokenizer.model");
  write_whole_file(staging.folder() + "/corpus.json", to_json(record));
  staging.publish();
  log::say("prepared {}", options.out);
}

}  // namespace dfascale
