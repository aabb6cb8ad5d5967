// dfascale bench gemm: every matrix product of a deck's step, in the step and by itself, beside the
// measured peak.

#include <algorithm>
#include <map>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/session.hpp"
#include "deck/words.hpp"
#include "io/files.hpp"
#include "kernels/gemm_shape.hpp"
#include "kernels/profile.hpp"
#include "kernels/residual.hpp"
#include "model/arena.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"
#include "tools/made_up_steps.hpp"
#include "tools/operations.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct GemmOptions {
  DeckOptions on;
  double seconds = 0.2, least_share = 0.01;
};

/// Products of one shape.
struct Found {
  Product product;  ///< one of them
  std::string purpose;
  std::int64_t calls = 0;      ///< in a step
  double seconds_in_step = 0;  ///< of all calls
  Timing alone;  ///< of one call, with operands as the repetitions leave them in cache

  double flop() const {
    return 2.0 * static_cast<double>(product.c.size()) * static_cast<double>(depth());
  }
  std::int64_t depth() const {
    return product.a_side == Side::plain ? product.a.cols : product.a.rows;
  }
  double rate_in_step() const { return flop() * static_cast<double>(calls) / seconds_in_step; }
  double rate_alone() const { return flop() / alone.median; }
};

/// Of one step after another to warm up, those that take longest first.
std::vector<Found> products_of_step(const Comm& comm, const Device& on, Gemm& gemm,
                                    const Settings& settings) {
  const Shape shape = shape_of(settings.model);
  MadeUpSteps steps(comm, on, gemm, settings, Training::of(settings));
  steps.step();
  std::map<std::string, Found> by_shape;
  const Profile profile(on, gemm, [&](const Product& p) {
    const std::string key = describe(p);
    by_shape.try_emplace(key, Found{p, purpose(p, shape), 0, 0, {}});
    return key;
  });
  steps.step();
  std::vector<Found> all;
  for (auto& [key, found] : by_shape) {
    const Profile::Entry& entry = profile.entries().at(key);
    found.calls = entry.calls;
    found.seconds_in_step = entry.seconds;
    all.push_back(std::move(found));
  }
  std::ranges::sort(all, std::greater{}, &Found::seconds_in_step);
  return all;
}

/// The same shapes, sides and gaps, in memory of its own.
Timing time_alone(const Device& on, Gemm& gemm, Product product, double seconds) {
  Arena arena;
  const auto floats = [&](const ConstStored& m) {
    return arena.vec((m.rows * m.stride * bytes_of(m.precision) + 3) / 4);
  };
  const auto lay_out = [&] {
    return std::array{floats(product.c), floats(product.a), floats(product.b),
                      arena.vec(product.bias.size)};
  };
  lay_out();
  arena.commit();
  const auto memory = lay_out();
  for (const Vec& part : memory) fill(on, part, 0.5f);
  product.c.data = memory[0].data;
  product.a.data = memory[1].data;
  product.b.data = memory[2].data;
  if (product.bias) product.bias = memory[3];
  return time_operation(on, seconds, [&] { gemm(product); });
}

std::string sides(const Product& p) {
  const auto letter = [](Side side) { return side == Side::turned ? 'T' : 'N'; };
  return fmt::format("{}{}{}", letter(p.a_side), letter(p.b_side),
                     p.into == Into::add ? " +=" : "");
}

void print(const std::vector<Found>& products, const Peak& peak, double least_share) {
  double all = 0, rest = 0;
  std::size_t rest_shapes = 0;
  for (const Found& f : products) all += f.seconds_in_step;
  log::say("{:<28}{:>22}  {:<7}{:>6}{:>8}{:>10}{:>9}{:>10}{:>9}{:>17}", "product", "m x n x k",
           "sides", "calls", "share", "in step", "of peak", "alone", "of peak", "(slowest, best)");
  for (const Found& f : products) {
    if (f.seconds_in_step < least_share * all) {
      rest += f.seconds_in_step;
      ++rest_shapes;
      continue;
    }
    log::say("{:<28}{:>22}  {:<7}{:>6}{:>7.1f}%{:>10.1f}{:>8.1f}%{:>10.1f}{:>8.1f}%{:>17}",
             f.purpose, fmt::format("{} x {} x {}", f.product.c.rows, f.product.c.cols, f.depth()),
             sides(f.product), f.calls, 100 * f.seconds_in_step / all, f.rate_in_step() / 1e9,
             100 * f.rate_in_step() / peak.best(), f.rate_alone() / 1e9,
             100 * f.rate_alone() / peak.best(),
             fmt::format("({:.0f}, {:.0f})", f.flop() / f.alone.most / 1e9,
                         f.flop() / f.alone.least / 1e9));
  }
  if (rest_shapes > 0)
    log::say("{:<28}{:>22}  {:<7}{:>6}{:>7.1f}%", "others", fmt::format("{} shapes", rest_shapes),
             "", "", 100 * rest / all);
  log::say("rates in GFLOP/s; peak {}: square {} {:.1f}, the step's shapes {:.1f}",
           gigaflops(peak.best()), peak.side, peak.square / 1e9, peak.shapes / 1e9);
}

void write_json(const std::string& file, const Settings& settings, const Peak& peak,
                const std::vector<Found>& products) {
  Json json = bench_json("gemm");
  json["precision"] = word(settings.optim.precision);
  json["peak_flops"] = peak.best();
  for (const Found& f : products) {
    Json row = {{"product", describe(f.product)},
                {"purpose", f.purpose},
                {"m", f.product.c.rows},
                {"n", f.product.c.cols},
                {"k", f.depth()},
                {"sides", sides(f.product)},
                {"calls", f.calls},
                {"seconds_in_step", f.seconds_in_step},
                {"flops_per_second_in_step", f.rate_in_step()}};
    row["alone"] = timing_json(f.alone);
    row["flops_per_second_alone"] = f.rate_alone();
    json["by_shape"].push_back(row);
  }
  write_atomically(file, json_text(json) + "\n", Folder::of_user);
}

int bench_gemm(const GemmOptions& options) {
  const Session session;
  const Settings settings = read_deck(session.comm(), options.on);
  const Device& device = session.device();
  Gemm gemm(device);
  say_machine();
  warn_if_widened(settings.optim.precision);
  std::vector<Found> products = products_of_step(session.comm(), device, gemm, settings);
  const Peak peak = peak_of(device, gemm, settings, std::max(options.seconds, 0.1));
  for (Found& f : products) f.alone = time_alone(device, gemm, f.product, options.seconds);
  print(products, peak, options.least_share);
  if (!options.on.json.empty() && session.comm().rank() == 0)
    write_json(options.on.json, settings, peak, products);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_gemm(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<GemmOptions>();
  CLI::App* command = bench.add_subcommand(
      "gemm", "Time every matrix product of a deck's step, in the step and by itself");
  add_deck_options(*command, options->on);
  command->add_option("--seconds", options->seconds, "For each product by itself")
      ->check(between(0.0, 60.0))
      ->capture_default_str();
  command
      ->add_option("--least-share", options->least_share,
                   "Products that take a smaller share of all products' time are summed up")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  command->footer(
      "Example, one core:\n"
      "  taskset -c 0 dfascale bench gemm inputs/57m.toml --set optim.batch_sequences=4 \\\n"
      "    --set parallel.micro_batches=1");
  command->callback([options, &run] { run = [options] { return bench_gemm(*options); }; });
}

}  // namespace dfascale
