// dfascale verify: are gradients and optimiser steps those of an independent reference?
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/deck.hpp"
#include "deck/words.hpp"
#include "pipeline/schedules.hpp"
#include "tools/golden_check.hpp"
#include "tools/golden_rule.hpp"
#include "tools/tools.hpp"

namespace dfascale {
namespace {

// Small, so that the small models of golden files have several buckets.
constexpr double verify_bucket_mib = 0.01;

struct VerifyOptions {
  std::string file, precision = "f32", layout = "1x1", schedule, split;
  std::vector<std::string> variants;
  std::int64_t micro_batches = 1, zero = 1;
  bool json = false;
};

ParallelSettings layout_of(const VerifyOptions& options, int ranks) {
  ParallelSettings layout{};
  int read = 0;
  if (std::sscanf(options.layout.c_str(), "%ldx%ld%n", &layout.dp, &layout.pp, &read) != 2 ||
      read != static_cast<int>(options.layout.size()) || layout.dp < 1 || layout.pp < 1)
    fail(Exit::usage, "--layout {}: expected DPxPP, for example 2x1", options.layout);
  if (layout.dp * layout.pp != ranks)
    fail(Exit::usage, "--layout {} is for {} ranks, {} are running: start it with mpirun -n {}",
         options.layout, layout.dp * layout.pp, ranks, layout.dp * layout.pp);
  layout.zero = options.zero;
  layout.micro_batches = options.micro_batches;
  layout.split = options.split;
  layout.bucket_mib = verify_bucket_mib;
  return layout;
}

/// The schedule asked for, or the one that the rule has by itself.
ParallelSettings with_schedule(ParallelSettings layout, const VerifyOptions& options,
                               const Rule& rule) {
  layout.schedule = options.schedule.empty() ? default_schedule(rule) : options.schedule;
  layout.virtual_stages = find_schedule(layout.schedule)->least_virtual_stages;
  return layout;
}

std::vector<const GoldenVariant*> chosen(const Golden& golden,
                                         const std::vector<std::string>& names) {
  std::vector<const GoldenVariant*> found;
  std::string known;
  for (const GoldenVariant& variant : golden.variants) {
    known += " " + variant.name;
    if (names.empty()) found.push_back(&variant);
  }
  for (const std::string& name : names) {
    const std::size_t before = found.size();
    for (const GoldenVariant& variant : golden.variants)
      if (variant.name == name) found.push_back(&variant);
    if (found.size() == before)
      fail(Exit::usage, "--variant {}: {} has{}", name, golden.path, known);
  }
  return found;
}

void print(const VariantResult& result) {
  log::say("{}", result.variant);
  for (const Comparison& c : result.comparisons)
    log::say("  {:<40} {:>10.2e}  allowed {:.1e}  {}", c.what, c.error, c.allowed,
             c.passed() ? "pass" : "FAIL");
}

nlohmann::json as_json(const VariantResult& result) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Comparison& c : result.comparisons)
    rows.push_back(
        {{"what", c.what}, {"error", c.error}, {"allowed", c.allowed}, {"passed", c.passed()}});
  return {{"variant", result.variant}, {"passed", result.passed()}, {"comparisons", rows}};
}

int verify(const VerifyOptions& options) {
  const Session session;
  const ParallelSettings layout = layout_of(options, session.comm().size());
  const Golden golden = read_golden(options.file);
  const Precision precision = *from_word<Precision>(options.precision);
  const Device& device = session.device();
  Gemm gemm(device);
  nlohmann::json json = {
      {"file", options.file}, {"precision", options.precision}, {"layout", options.layout}};
  std::int64_t failed = 0;
  std::vector<VariantResult> results;
  for (const GoldenVariant* variant : chosen(golden, options.variants)) {
    results.push_back(check_variant(session.comm(), device, gemm, golden, *variant,
                                    with_schedule(layout, options, rule_of(*variant)), precision));
    failed += results.back().passed() ? 0 : 1;
    if (!options.json) print(results.back());
    json["variants"].push_back(as_json(results.back()));
  }
  json["passed"] = failed == 0;
  if (options.json) log::line(json_text(json));
  if (results.empty()) fail(Exit::data, "{}: no variants to compare with", options.file);
  const auto worst =
      std::max_element(results.begin(), results.end(), [](const auto& a, const auto& b) {
        return a.worst().error * b.worst().allowed < b.worst().error * a.worst().allowed;
      });
  if (!options.json)
    log::say("{}: {} of {} variants pass; worst: {} of {}, {:.2e} of {:.1e} allowed", options.file,
             static_cast<std::int64_t>(results.size()) - failed, results.size(),
             worst->worst().what, worst->variant, worst->worst().error, worst->worst().allowed);
  return static_cast<int>(failed == 0 ? Exit::done : Exit::numerical);
}

}  // namespace

void add_verify(CLI::App& app, Run& run) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand(
      "verify", "Compare losses, gradients and AdamW steps with a golden file of the reference");
  command
      ->add_option("GOLDEN", options->file,
                   "HDF5 file of gradients or of loss curves (tests/golden)")
      ->required();
  command->add_option("--variant", options->variants, "Only this variant; repeatable")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--precision", options->precision,
          "Number format of what matrix products read; bf16 compares gradients and losses, "
          "with tolerances of its own, and no AdamW steps")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command->add_option("--layout", options->layout, "DPxPP; needs as many ranks")
      ->capture_default_str();
  command->add_option("--micro-batches", options->micro_batches, "Micro-batches per replica")
      ->check(CLI::Range(std::int64_t{1}, most_counted))
      ->capture_default_str();
  command->add_option("--schedule", options->schedule, "Default: 1f1b for bp, unlocked for others")
      ->check(CLI::IsMember(schedule_names()));
  command->add_option("--split", options->split, "Blocks of each stage; default: balanced");
  command->add_option("--zero", options->zero, "1: optimiser state sharded over replicas; 0: not")
      ->check(CLI::Range(0, 1))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Print the comparisons as JSON");
  command->footer("Example:\n  dfascale verify tests/golden/tied_l3.h5 --variant bp");
  command->callback([options, &run] { run = [options] { return verify(*options); }; });
}

}  // namespace dfascale
