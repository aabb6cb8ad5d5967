// dfascale bench io: checkpoints of a deck's size, written here, beside a plain file of as many
// bytes.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/version.hpp"
#include "comm/session.hpp"
#include "deck/deck.hpp"
#include "io/background_saver.hpp"
#include "io/files.hpp"
#include "io/run_folder.hpp"
#include "model/parameters.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct IoOptions {
  DeckOptions on;
  std::string folder = ".";
  std::int64_t pairs = 5;
};

/// Seconds of one round.  `plain`: one rank writes a file and flushes it, as dd with conv=fsync
/// does.  `write`: a checkpoint of as many bytes, written and flushed by all ranks; `check`:
/// checksums and reading back.  `background_*`: another one, beside which training goes on.
struct Round {
  double plain, write, check, background_write, stall;
  double share_of_plain() const { return plain / write; }
  double stall_share() const { return stall / background_write; }
  double stall_share_of_all() const { return stall / (write + check); }
};

template <class Figure>
double median_of(const std::vector<Round>& rounds, Figure&& figure) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(figure(round));
  return timing_of(std::move(values)).median;
}

/// The arrays of a checkpoint of this deck, with made-up values; rows are shared out evenly.
class MadeUpState {
 public:
  MadeUpState(const Settings& s, const WriterRanks& ranks) {
    const ParameterTable table(shape_of(s.model), s.rule);
    std::int64_t longest = 0;
    for (const Parameter& p : table.all()) longest = std::max(longest, p.size());
    values_.resize(longest);
    std::uint32_t word = 1;
    for (float& value : values_)
      value = 1e-3F * static_cast<float>((word = word * 1664525U + 1013904223U) >> 8);
    for (const Parameter& p : table.all()) {
      add("/params/" + p.name, p, ranks);
      if (!p.trained) continue;
      add("/adam/m/" + p.name, p, ranks);
      add("/adam/v/" + p.name, p, ranks);
    }
  }
  const std::vector<ArraySlice>& arrays() const { return arrays_; }
  const std::vector<float>& values() const { return values_; }

 private:
  void add(const std::string& path, const Parameter& p, const WriterRanks& ranks) {
    const std::int64_t first = p.rows * ranks.rank() / ranks.size(),
                       end = p.rows * (ranks.rank() + 1) / ranks.size();
    const std::vector<std::int64_t> shape =
        p.dims == 1 ? std::vector{p.rows} : std::vector{p.rows, p.cols};
    arrays_.push_back({path, shape, first, end - first, values_.data() + first * p.cols});
  }

  std::vector<float> values_;  ///< every array's
  std::vector<ArraySlice> arrays_;
};

class IoBench {
 public:
  /// `folder`, and the one above if there is none, are made, and removed in the end.
  IoBench(const Settings& settings, std::string folder)
      : folder_(std::move(folder)),
        state_(settings, ranks_),
        checkpoints_(folder_, 1, 0, ranks_),
        bytes_(CheckpointFolder::file_bytes(state_.arrays())) {
    on_first(ranks_, Exit::checkpoint, [&] {
      if (exists(folder_)) fail(Exit::checkpoint, "{} exists: remove it", folder_);
      makes_above_ = !exists(fs::path(folder_).parent_path());
    });
    try {
      checkpoints_.check_writable(bytes_);
    } catch (const Error&) {
      remove_own();
      throw;
    }
  }
  ~IoBench() { remove_own(); }
  IoBench(const IoBench&) = delete;
  IoBench& operator=(const IoBench&) = delete;

  /// The two that are compared change places from round to round.
  Round round() {
    Round found{};
    const bool plain_first = step_ % 2 == 0;
    if (plain_first) found.plain = plain();
    const Saved saved = save(&BackgroundSaver::save_now);
    if (!plain_first) found.plain = plain();
    const Saved beside = save(&BackgroundSaver::save);
    found.write = saved.times.write_seconds;
    found.check = saved.times.check_seconds;
    found.background_write = beside.times.write_seconds;
    found.stall = beside.stall_seconds;
    bytes_ = saved.times.bytes;
    return found;
  }
  std::int64_t bytes() const { return bytes_; }
  int ranks() const { return ranks_.size(); }

 private:
  using Save = void (BackgroundSaver::*)(const CheckpointMeta&, const std::vector<ArraySlice>&);

  /// What the benchmark made, and its folders if nothing else is in them.
  void remove_own() const {
    if (ranks_.rank() != 0) return;
    try {
      remove_checkpoints(folder_);
      if (makes_above_) remove_folder_if_empty(folder_of(folder_));
    } catch (const Error& error) {
      log::warn("{}", error.what());
    }
  }

  Saved save(Save how) {
    CheckpointMeta meta;
    meta.step = ++step_;
    (saver_.*how)(meta, state_.arrays());
    return saver_.wait().at(0);
  }
  double plain() const {
    double seconds = 0;
    on_first(ranks_, Exit::checkpoint, [&] { seconds = write_plain(); });
    return seconds;
  }
  double write_plain() const {
    constexpr std::int64_t block = 8 << 20;
    const std::string path = folder_ + "/plain";
    const auto held = static_cast<std::int64_t>(state_.values().size() * sizeof(float));
    const auto* values = reinterpret_cast<const char*>(state_.values().data());
    const double begun = seconds_now();
    {
      NewFile file(path);
      for (std::int64_t done = 0; done < bytes_;) {
        const std::int64_t here = std::min({block, bytes_ - done, held});
        file.write({values, static_cast<std::size_t>(here)});
        done += here;
      }
      file.complete();
    }
    const double seconds = seconds_now() - begun;
    remove_file(path);
    return seconds;
  }

  WriterRanks ranks_ = WriterRanks::all();
  std::string folder_;
  bool makes_above_ = false;
  MadeUpState state_;
  CheckpointFolder checkpoints_;
  BackgroundSaver saver_{checkpoints_};
  std::int64_t bytes_, step_ = 0;
};

void print(const IoBench& bench, const std::vector<Round>& rounds) {
  const double megabytes = static_cast<double>(bench.bytes()) / 1e6;
  log::say("checkpoint of {:.1f} MB, {} rank(s)", megabytes, bench.ranks());
  log::say("{:>6}{:>14}{:>14}{:>10}{:>10}{:>12}{:>14}", "round", "plain MB/s", "write MB/s",
           "share", "check s", "stall s", "stall/write");
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    const Round& r = rounds[i];
    log::say("{:>6}{:>14.0f}{:>14.0f}{:>9.0f}%{:>10.2f}{:>12.3f}{:>13.1f}%", i + 1,
             megabytes / r.plain, megabytes / r.write, 100 * r.share_of_plain(), r.check, r.stall,
             100 * r.stall_share());
  }
  log::say(
      "median: {:.0f} % of the plain file's bandwidth; in the background training waits for {:.1f} "
      "% of the time of writing, {:.1f} % of writing and checking",
      100 * median_of(rounds, [](const Round& r) { return r.share_of_plain(); }),
      100 * median_of(rounds, [](const Round& r) { return r.stall_share(); }),
      100 * median_of(rounds, [](const Round& r) { return r.stall_share_of_all(); }));
}

void write_json(const IoBench& bench, const std::vector<Round>& rounds, const std::string& file) {
  Json list = Json::array();
  for (const Round& r : rounds)
    list.push_back({{"plain_seconds", r.plain},
                    {"write_seconds", r.write},
                    {"check_seconds", r.check},
                    {"background_write_seconds", r.background_write},
                    {"stall_seconds", r.stall}});
  Json json = bench_json("io");
  json.update(
      {{"ranks", bench.ranks()},
       {"bytes", bench.bytes()},
       {"share_of_plain", median_of(rounds, [](const Round& r) { return r.share_of_plain(); })},
       {"stall_share", median_of(rounds, [](const Round& r) { return r.stall_share(); })},
       {"stall_share_of_all",
        median_of(rounds, [](const Round& r) { return r.stall_share_of_all(); })},
       {"rounds", list}});
  write_atomically(file, json_text(json) + "\n", Folder::of_user);
}

int bench_io(const IoOptions& options) {
  const Session session(Uses::ranks);
  const Settings settings = read_deck(session.comm(), options.on);
  IoBench bench(settings, options.folder + "/dfascale-bench-io");
  std::vector<Round> rounds;
  for (std::int64_t i = 0; i < options.pairs; ++i) rounds.push_back(bench.round());
  print(bench, rounds);
  if (!options.on.json.empty() && session.comm().rank() == 0)
    write_json(bench, rounds, options.on.json);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_io(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<IoOptions>();
  CLI::App* command = bench.add_subcommand(
      "io", "Time checkpoints of a deck's size with made-up values, beside a plain file");
  add_deck_options(*command, options->on);
  command->add_option("--folder", options->folder, "Where to write; files are removed again")
      ->capture_default_str();
  command->add_option("--pairs", options->pairs, "Rounds: a plain file and a checkpoint each")
      ->check(CLI::Range(std::int64_t{1}, most_counted))
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  mpirun -n 2 dfascale bench io inputs/57m.toml --folder runs");
  command->callback([options, &run] { run = [options] { return bench_io(*options); }; });
}

}  // namespace dfascale
