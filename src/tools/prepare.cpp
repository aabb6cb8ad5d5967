// dfascale prepare: the command line of data/prepare.hpp.
#include "data/prepare.hpp"

#include <memory>

#include "tools/tools.hpp"

namespace dfascale {

void add_prepare(CLI::App& app, Run& run) {
  const auto options = std::make_shared<PrepareOptions>();
  CLI::App* command = app.add_subcommand("prepare", "Turn text into token files for training");
  command->footer(
      "Text is UTF-8: plain files with documents separated by lines <|endoftext|>, or JSON lines "
      "with a\n"
      "\"text\" field (names ending in .json, .jsonl, .ndjson), each also packed as .gz or .zst.\n"
      "DIR then works as data.train of a deck.");
  command->add_option("--train", options->train, "Training text, one file or more")->required();
  command->add_option("--valid", options->valid, "Validation text, one file or more")->required();
  command
      ->add_option("--out", options->out,
                   "Folder to write: train_*.bin, valid_*.bin, tokenizer.model, corpus.json")
      ->required();
  CLI::Option* vocab = command->add_option(
      "--vocab", options->vocab, "Train a BPE tokenizer of this many tokens, 259 to 65535");
  command->add_option("--tokenizer", options->tokenizer, "Use this SentencePiece model instead")
      ->excludes(vocab);
  command->add_option("--threads", options->threads, "Default: one for each core")
      ->check(CLI::Range(0, 1024));
  command->add_option("--shard-tokens", options->shard_tokens, "Tokens in a file, at most")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30))
      ->capture_default_str();
  const auto force = std::make_shared<bool>(false);
  command->add_flag("--force", *force, "Replace a corpus that DIR already holds");
  command->callback([options, force, &run] {
    run = [options, force] {
      options->existing = *force ? Existing::replace : Existing::refuse;
      prepare(*options);
      return 0;
    };
  });
}

}  // namespace dfascale
