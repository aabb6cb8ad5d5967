// dfascale checkpoint: the command line of list, verify, diff and convert.
#include <memory>

#include "tools/checkpoint_tools.hpp"
#include "tools/in_child.hpp"
#include "tools/tools.hpp"

namespace dfascale {
namespace {

void add_list(CLI::App& checkpoint, Run& run) {
  struct Options {
    std::string folder;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      checkpoint.add_subcommand("list", "The checkpoints of a run, and whether they are good");
  command->add_option("RUN", options->folder, "A run folder, or a folder of checkpoints")
      ->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &run] {
    run = [options] {
      return in_child(options->folder, bytes_at(options->folder), [&] {
        return list_checkpoints(options->folder, options->json ? Show::json : Show::table);
      });
    };
  });
}

void add_verify_files(CLI::App& checkpoint, Run& run) {
  const auto where = std::make_shared<std::string>();
  CLI::App* command = checkpoint.add_subcommand(
      "verify", "Check digest, checksums and completeness of a checkpoint, or of all of a run");
  command->add_option("FILE|RUN", *where, "A checkpoint, a run folder, or a folder of checkpoints")
      ->required();
  command->footer("Exit code 4 if any is broken.");
  command->callback([where, &run] {
    run = [where] {
      return in_child(*where, bytes_at(*where), [&] { return verify_checkpoints(*where); });
    };
  });
}

void add_diff(CLI::App& checkpoint, Run& run) {
  struct Options {
    DiffOptions diff;
    bool params = false, all = false, json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = checkpoint.add_subcommand("diff", "Compare two checkpoints array by array");
  command->add_option("A", options->diff.one, "A checkpoint, or a run: its newest good one")
      ->required();
  command->add_option("B", options->diff.other, "Likewise")->required();
  command->add_flag("--params", options->params, "Parameters only, not the moments");
  command->add_flag("--all", options->all, "Also print the arrays that are equal");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Exit code 0: all arrays hold the same bits; 1: they differ; 2 and more: trouble.\n"
      "|a-b| is the largest difference, rel the norm of the difference over that of A.");
  command->callback([options, &run] {
    run = [options] {
      DiffOptions diff = options->diff;
      if (options->params) diff.compared = Compared::params;
      if (options->all) diff.printed = Printed::all;
      if (options->json) diff.show = Show::json;
      const std::int64_t bytes = bytes_at(diff.one) + bytes_at(diff.other);
      return in_child(fmt::format("{} or {}", diff.one, diff.other), bytes,
                      [&] { return diff_checkpoints(diff); });
    };
  });
}

void add_convert(CLI::App& checkpoint, Run& run) {
  const auto options = std::make_shared<ConvertOptions>();
  CLI::App* command = checkpoint.add_subcommand(
      "convert",
      "Write a checkpoint as safetensors, which Python opens, or make one of them again");
  command->add_option("FROM", options->from, "A checkpoint, a run, or NAME.safetensors")
      ->required();
  command->add_option("TO", options->to, "NAME.safetensors, or NAME.h5 for a checkpoint")
      ->required();
  command->add_flag("--moments", options->moments,
                    "Adam's moments too, without which training cannot go on");
  command->add_flag("--force", options->replace, "Replace TO if it exists");
  command->footer(
      "Examples:\n"
      "  dfascale checkpoint convert runs/tiny tiny.safetensors\n"
      "  dfascale checkpoint convert runs/tiny whole.safetensors --moments\n"
      "  dfascale checkpoint convert whole.safetensors again.h5");
  command->callback([options, &run] {
    run = [options] {
      return in_child(options->from, bytes_at(options->from),
                      [&] { return convert_checkpoint(*options); });
    };
  });
}

}  // namespace

void add_checkpoint(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("checkpoint", "List, verify, compare and convert checkpoints");
  command->require_subcommand(1);
  for (const auto add : {add_list, add_verify_files, add_diff, add_convert}) add(*command, run);
}

}  // namespace dfascale
