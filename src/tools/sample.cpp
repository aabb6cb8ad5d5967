// dfascale sample: text from a checkpoint, token by token.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>

#include "base/error.hpp"
#include "comm/session.hpp"
#include "data/corpus_info.hpp"
#include "data/sha256.hpp"
#include "data/tokenizer.hpp"
#include "kernels/random.hpp"
#include "tools/tools.hpp"
#include "tools/trained_model.hpp"

namespace dfascale {
namespace {

struct SampleOptions {
  std::string checkpoint, prompt, tokenizer;
  std::int64_t tokens = 200, top_k = 0;
  double temperature = 0.8;
  std::uint64_t seed = 0;
  bool past_end = false;
};

/// The tokenizer of the data that the model was trained on, unless another is named.
Tokenizer tokenizer_for(const TrainedModel& model, const std::string& named) {
  const Settings& s = model.settings();
  std::string path = named;
  if (path.empty()) {
    const std::optional<CorpusInfo> info = read_corpus_info(s.data.train);
    if (!info)
      fail(
          Exit::data,
          "{}: no corpus.json in this folder, the data.train of the checkpoint's deck, so that its "
          "tokenizer is not known; name it with --tokenizer MODEL",
          s.data.train);
    path = info->tokenizer;
    if (sha256_of_file(path) != info->tokenizer_sha256)
      fail(Exit::data,
           "{}: is not the tokenizer that {}/corpus.json names; put that one back, or name it with "
           "--tokenizer MODEL",
           path, s.data.train);
  }
  Tokenizer tokenizer(path);
  if (tokenizer.vocab() > s.model.vocab)
    fail(Exit::data,
         "{}: {} tokens, the checkpoint's model has {}: another vocabulary; name the tokenizer "
         "that the training text was prepared with (--tokenizer MODEL)",
         path, tokenizer.vocab(), s.model.vocab);
  return tokenizer;
}

/// The ids to choose among: the k with the largest logits (0: all), largest first, lower id first
/// among equals.
std::vector<std::int32_t> candidates(const std::vector<float>& logits, std::int64_t k) {
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count =
      k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(k), ids.size()) : ids.size();
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    larger);
  ids.resize(count);
  return ids;
}

/// One token from softmax(logits / temperature) over the candidates; `place` in (0, 1) chooses.
std::int32_t choose(const std::vector<float>& logits, const SampleOptions& options, double place) {
  const std::vector<std::int32_t> ids =
      candidates(logits, options.temperature > 0 ? options.top_k : 1);
  if (ids.size() == 1) return ids.front();
  const auto logit = [&](std::int32_t id) {
    return static_cast<double>(logits[static_cast<std::size_t>(id)]);
  };
  std::vector<double> sums;
  double sum = 0;
  for (const std::int32_t id : ids)
    sums.push_back(sum += std::exp((logit(id) - logit(ids.front())) / options.temperature));
  const auto at = std::upper_bound(sums.begin(), sums.end(), place * sum) - sums.begin();
  return ids[std::min(static_cast<std::size_t>(at), ids.size() - 1)];
}

/// Up to options.tokens tokens after those of the prompt; the model sees the last T of all.
std::vector<std::int32_t> generate(TrainedModel& model, const Tokenizer& tokenizer,
                                   const SampleOptions& options) {
  const std::int64_t context = model.settings().model.context, vocab = tokenizer.vocab();
  std::vector<std::int32_t> text{tokenizer.end_of_text()};  // what comes before every document
  const std::vector<std::int32_t> prompt = tokenizer.encode(options.prompt);
  text.insert(text.end(), prompt.begin(), prompt.end());
  const std::size_t first = text.size();
  std::vector<std::int32_t> window(static_cast<std::size_t>(context));
  const RandomKey key{options.seed, Purpose::sampling, 0};
  for (std::int64_t i = 0; i < options.tokens; ++i) {
    const auto seen = std::min(static_cast<std::int64_t>(text.size()), context);
    std::fill(std::copy(text.end() - seen, text.end(), window.begin()), window.end(), 0);
    std::vector<float> logits = model.taker().logits_after({window.data(), context}, seen - 1);
    logits.resize(static_cast<std::size_t>(vocab));
    const std::int32_t token =
        choose(logits, options, uniform_at(key, static_cast<std::uint64_t>(i)));
    if (token == tokenizer.end_of_text() && !options.past_end) break;
    text.push_back(token);
  }
  return {text.begin() + static_cast<std::ptrdiff_t>(first), text.end()};
}

int sample(const SampleOptions& options) {
  const Session session;
  if (session.comm().size() > 1)
    fail(Exit::usage, "dfascale sample runs on one rank, {} are running: start it without mpirun",
         session.comm().size());
  TrainedModel model(session.device(), options.checkpoint, 1);
  const Tokenizer tokenizer = tokenizer_for(model, options.tokenizer);
  const std::string text = options.prompt + tokenizer.decode(generate(model, tokenizer, options));
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_sample(CLI::App& app, Run& run) {
  const auto options = std::make_shared<SampleOptions>();
  CLI::App* command = app.add_subcommand("sample", "Text from a checkpoint");
  command
      ->add_option("CHECKPOINT", options->checkpoint,
                   "A file, or a run folder: its newest good checkpoint")
      ->required();
  command->add_option("--prompt", options->prompt, "Text to go on from; default: a new document");
  command->add_option("--tokenizer", options->tokenizer,
                      "SentencePiece model; default: that of the run's data folder");
  command->add_option("--tokens", options->tokens, "At most so many tokens after the prompt")
      ->check(CLI::Range(std::int64_t{0}, most_counted))
      ->capture_default_str();
  command
      ->add_option("--temperature", options->temperature,
                   "Divides the logits; 0: always the likeliest token")
      ->check(between(0.0, 100.0))
      ->capture_default_str();
  command->add_option("--top-k", options->top_k, "Choose among the k likeliest tokens; 0: all")
      ->check(CLI::Range(std::int64_t{0}, most_counted))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "The same seed gives the same text")
      ->check(CLI::Range(std::int64_t{0}, largest_seed))
      ->capture_default_str();
  command->add_flag("--past-end", options->past_end, "Go on with a new document where one ends");
  command->footer("Example:\n  dfascale sample runs/tiny --prompt 'The ' --tokens 100 --seed 7");
  command->callback([options, &run] { run = [options] { return sample(*options); }; });
}

}  // namespace dfascale
