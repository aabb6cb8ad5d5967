// dfascale eval: the loss of a checkpoint on any tokens.
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "data/corpus_info.hpp"
#include "data/sha256.hpp"
#include "data/tokenizer.hpp"
#include "deck/words.hpp"
#include "tools/tools.hpp"
#include "tools/trained_model.hpp"
#include "train/evaluate.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;

struct EvalOptions {
  std::string checkpoint, data, format;
  std::int64_t sequences = 0;
  bool json = false;
};

struct Evaluation {
  std::string checkpoint;
  std::int64_t step, sequences, tokens;
  double loss;  ///< nats per token
  /// Bytes of text for each token.
  std::optional<double> bytes_per_token = {};
  std::string bytes_are_of = {};  ///< which text those are
  std::string no_bytes = {};      ///< why bytes_per_token is not known

  double perplexity() const { return std::exp(loss); }
  double bits_per_byte() const { return loss / std::numbers::ln2 / *bytes_per_token; }
};

TokenFormat format_of(const EvalOptions& options, const Settings& settings) {
  return options.format.empty() ? settings.data.format : *from_word<TokenFormat>(options.format);
}

bool same_folder(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return fs::equivalent(a, b, ignored);
}

/// Tokens of another tokenizer would give a loss that means nothing.
void check_vocabulary(const Settings& s, const std::string& data,
                      const std::optional<CorpusInfo>& info, const Comm& comm,
                      TokenStream& stream) {
  if (info && info->vocab != s.model.vocab && !same_folder(data, s.data.train))
    fail(Exit::data,
         "{}: its tokenizer has {} tokens, the checkpoint's model {}: these are tokens of another "
         "vocabulary; prepare the text with the tokenizer of {} (dfascale prepare --tokenizer)",
         data, info->vocab, s.model.vocab, s.data.train);
  if (info) check_same_tokenizer(s.data.train, data);
  stream.check_vocabulary(s.model.vocab, {comm.rank(), comm.size()});
}

ValidationSet open_sequences(const EvalOptions& options, const Settings& s,
                             const std::optional<CorpusInfo>& info, const Comm& comm) {
  TokenStream stream = TokenStream::open(options.data, Split::valid, format_of(options, s));
  check_vocabulary(s, options.data, info, comm, stream);
  const std::int64_t all = std::max<std::int64_t>(1, (stream.size() - 1) / s.model.context);
  if (options.sequences > all)
    fail(Exit::usage, "--sequences {}: {} holds {} of the model's context, {} tokens",
         options.sequences, options.data, all, s.model.context);
  return {std::move(stream), s.model.context, options.sequences > 0 ? options.sequences : all};
}

/// Bytes of text that the evaluated tokens stand for.  Collective.
double bytes_of(const Comm& comm, const ValidationSet& data, const Settings& s,
                const std::vector<std::int64_t>& bytes_of_tokens) {
  const ValidationShare share =
      validation_share(data, comm.rank(), comm.size(), s.micro_batch_sequences());
  Batch batch;
  std::int64_t bytes = 0;
  for (std::int64_t m = 0; m < share.micro_batches; ++m) {
    const std::int64_t tokens = share.tokens(m, batch) * s.model.context;
    for (std::int64_t i = 0; i < tokens; ++i) {
      const auto token = static_cast<std::size_t>(batch.targets[static_cast<std::size_t>(i)]);
      if (token < bytes_of_tokens.size()) bytes += bytes_of_tokens[token];
    }
  }
  return static_cast<double>(comm.sum(bytes));
}

/// Why the tokenizer of a prepared folder is of no use here; empty if it is.
std::string fault_of_tokenizer(const CorpusInfo& info) {
  try {
    if (sha256_of_file(info.tokenizer) == info.tokenizer_sha256) return "";
    return fmt::format("{} is not the tokenizer that corpus.json names", info.tokenizer);
  } catch (const Error& error) {
    return error.what();
  }
}

/// By the tokens evaluated; without their tokenizer by the average of the whole split.  Collective.
void add_bytes(const Comm& comm, const CorpusInfo& info, const ValidationSet& data,
               const Settings& s, Evaluation& result) {
  std::string fault = fault_of_tokenizer(info);
  comm.broadcast(fault);
  if (!fault.empty()) {
    result.bytes_per_token = info.valid_bytes_per_token;
    result.bytes_are_of = "the whole split";
    if (comm.rank() == 0)
      log::warn("{}: bits per byte are by the average of the whole split, not by these tokens",
                fault);
    return;
  }
  const Tokenizer tokenizer(info.tokenizer);
  result.bytes_per_token =
      bytes_of(comm, data, s, tokenizer.bytes_of_tokens()) / static_cast<double>(result.tokens);
  result.bytes_are_of = "these tokens";
  if (*result.bytes_per_token > 0) return;
  result.bytes_per_token.reset();
  result.no_bytes = "the tokens evaluated stand for no text";
}

Evaluation evaluate(const Session& session, const EvalOptions& options) {
  const Comm& comm = session.comm();
  TrainedModel model(session.device(), options.checkpoint, 0);
  const Settings& s = model.settings();
  std::error_code ignored;
  const bool is_folder = fs::is_directory(options.data, ignored);
  const std::optional<CorpusInfo> info =
      is_folder ? read_corpus_info(options.data) : std::optional<CorpusInfo>();
  const ValidationSet data = open_sequences(options, s, info, comm);
  Evaluation result{.checkpoint = model.file(),
                    .step = model.meta().step,
                    .sequences = data.sequences(),
                    .tokens = data.sequences() * s.model.context,
                    .loss = mean_loss(comm, model.taker(), data)};
  if (!std::isfinite(result.loss))
    fail(Exit::numerical, "{}: the loss is {}: the checkpoint holds parameters that are no use",
         model.file(), result.loss);
  if (info) add_bytes(comm, *info, data, s, result);
  else
    result.no_bytes = is_folder ? "the folder has no corpus.json, which names its tokenizer"
                                : "DATA is not a prepared folder, whose corpus.json names its "
                                  "tokenizer";
  return result;
}

void print(const Evaluation& e) {
  log::say("checkpoint      {} (step {})", e.checkpoint, e.step);
  log::say("tokens          {} in {} sequences", e.tokens, e.sequences);
  log::say("loss            {:.7f} nats per token", e.loss);
  log::say("perplexity      {:.4f}", e.perplexity());
  if (e.bytes_per_token)
    log::say("bits per byte   {:.5f} ({:.4f} bytes per token of {})", e.bits_per_byte(),
             *e.bytes_per_token, e.bytes_are_of);
  else log::say("bits per byte   n/a: {}", e.no_bytes);
}

void print_json(const Evaluation& e) {
  nlohmann::ordered_json json = {
      {"checkpoint", e.checkpoint}, {"step", e.step}, {"sequences", e.sequences},
      {"tokens", e.tokens},         {"loss", e.loss}, {"perplexity", e.perplexity()}};
  if (e.bytes_per_token) {
    json["bits_per_byte"] = e.bits_per_byte();
    json["bytes_per_token"] = *e.bytes_per_token;
    json["bytes_are_of"] = e.bytes_are_of;
  } else {
    json["bits_per_byte"] = nullptr;
    json["bits_per_byte_missing"] = e.no_bytes;
  }
  log::line(json_text(json));
}

int eval(const EvalOptions& options) {
  const Session session;
  const Evaluation result = evaluate(session, options);
  if (options.json) print_json(result);
  else print(result);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_eval(CLI::App& app, Run& run) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Loss of a checkpoint on any tokens");
  command
      ->add_option("CHECKPOINT", options->checkpoint,
                   "A file, or a run folder: its newest good checkpoint")
      ->required();
  command
      ->add_option("DATA", options->data,
                   "A prepared folder (its validation split), a .bin file, or a glob in quotes")
      ->required();
  command
      ->add_option("--sequences", options->sequences,
                   "Only so many sequences of the model's context, evenly spread; 0: all")
      ->check(CLI::Range(std::int64_t{0}, most_counted))
      ->capture_default_str();
  command->add_option("--format", options->format, "Of the files; default: as the run's data")
      ->check(CLI::IsMember({"llmc", "raw"}));
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  dfascale eval runs/tiny data/corpus\n"
      "  mpirun -n 4 dfascale eval runs/tiny/checkpoints/latest 'data/other/valid_*.bin'");
  command->callback([options, &run] { run = [options] { return eval(*options); }; });
}

}  // namespace dfascale
