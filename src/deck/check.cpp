// Rules that tie keys together: divisibility, options that do nothing under the chosen rule,
// defaults that follow from other keys.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.hpp"
#include "base/log.hpp"
#include "deck/deck.hpp"
#include "deck/names.hpp"
#include "deck/reading.hpp"
#include "pipeline/schedules.hpp"

namespace dfascale {
namespace {

/// Where a key was given, or else the deck and that it was not given.
std::string place(const Reading& reading, std::string_view section, std::string_view name) {
  const auto found = reading.given.find(find_key(section, name));
  if (found != reading.given.end()) return found->second.place;
  return reading.deck;
}

bool is_given(const Reading& reading, std::string_view section, std::string_view name) {
  return reading.given.contains(find_key(section, name));
}

void check_rule(const Settings& s, Reading& reading) {
  for (const auto& [key, given] : reading.given) {
    const std::string nothing = without_meaning(*key, s.rule);
    if (!nothing.empty()) {
      reading.problem(given.place, "{} = {}: {}; remove the key or choose another rule",
                      key->path(), to_toml(given.value), nothing);
    }
  }
  if (s.rule.inner != Credit::direct) return;
  const bool by_layer = s.rule.granularity == Granularity::layer;
  if (by_layer && s.rule.embedding == EmbeddingCredit::block) {
    const bool explicitly = is_given(reading, "rule", "embedding");
    reading.problem(place(reading, "rule", explicitly ? "embedding" : "granularity"),
                    "rule.embedding = \"block\"{} does not go with rule.granularity = \"layer\", "
                    "where no block passes a gradient down: set rule.embedding to direct or none",
                    explicitly ? "" : fmt::format(", which rule.name = \"{}\" sets,", s.rule.name));
  }
  const bool is_square = s.rule.error == ErrorTap::preprojector && !by_layer;
  if (s.rule.feedback != Feedback::gaussian && !is_square) {
    reading.problem(place(reading, "rule", "feedback"),
                    "rule.feedback = {}: needs rule.error = \"preprojector\" and "
                    "rule.granularity = \"block\", where the feedback is D x D; use gaussian",
                    to_toml(find_key("rule", "feedback")->read(s)));
  }
  const bool residual_changed = s.rule.residual != find_rule(s.rule.name)->residual;
  if (by_layer && residual_changed && is_given(reading, "rule", "residual")) {
    log::warn("{}: rule.residual has no effect with rule.granularity = \"layer\"",
              place(reading, "rule", "residual"));
  }
}

void check_sizes(const Settings& s, Reading& reading) {
  if (s.model.width % s.model.heads != 0) {
    const bool width_given = is_given(reading, "model", "width");
    reading.problem(place(reading, "model", width_given ? "width" : "heads"),
                    "model.width = {}: expected a multiple of model.heads = {}", s.model.width,
                    s.model.heads);
  }
  if (s.model.vocab == 1) {
    reading.problem(place(reading, "model", "vocab"),
                    "model.vocab = 1: expected 0 (as the corpus says) or at least 2");
  }
  const std::int64_t shares = std::max<std::int64_t>(s.parallel.dp, 1) * s.parallel.micro_batches;
  if (s.optim.batch_sequences % shares != 0) {
    const bool batch_given = is_given(reading, "optim", "batch_sequences");
    reading.problem(
        batch_given ? place(reading, "optim", "batch_sequences")
                    : place(reading, "parallel", "micro_batches"),
        "optim.batch_sequences = {}: expected a multiple of parallel.dp * parallel.micro_batches "
        "= {} * {}",
        s.optim.batch_sequences, std::max<std::int64_t>(s.parallel.dp, 1),
        s.parallel.micro_batches);
  }
  const ScheduleFacts& schedule = *find_schedule(s.parallel.schedule);
  const std::int64_t v = s.parallel.virtual_stages;
  if (v < schedule.least_virtual_stages || v > schedule.most_virtual_stages) {
    const bool given = is_given(reading, "parallel", "virtual_stages");
    reading.problem(place(reading, "parallel", given ? "virtual_stages" : "schedule"),
                    "parallel.virtual_stages = {}: schedule {} takes {}", v, schedule.name,
                    schedule.least_virtual_stages == schedule.most_virtual_stages
                        ? fmt::format("{}", schedule.least_virtual_stages)
                        : fmt::format("{} or more", schedule.least_virtual_stages));
  }
  if (s.optim.warmup_tokens > s.optim.tokens) {
    reading.problem(place(reading, "optim", "warmup_tokens"),
                    "optim.warmup_tokens = {}: expected at most optim.tokens = {}",
                    s.optim.warmup_tokens, s.optim.tokens);
  }
  if (s.data.train.empty()) {
    reading.problem(place(reading, "data", "train"),
                    "data.train = \"\": expected a folder made by `dfascale prepare`, a file, or a "
                    "glob");
  }
  if (!s.run.offload.empty() && s.run.memory == 0) {
    reading.problem(place(reading, "run", "offload"),
                    "run.offload = \"{}\": does nothing without run.memory, which says how much of "
                    "a rank's memory may be taken; set it, or remove the key",
                    s.run.offload);
  }
  if (s.run.dir.empty()) {
    reading.problem(place(reading, "run", "dir"),
                    "run.dir = \"\": expected a folder, for example \"runs\" or \".\"");
  }
}

/// Before any work: no file system takes longer names.
void check_lengths(const Settings& s, Reading& reading) {
  for (const char* key : {"name", "method", "dir", "offload"}) {
    const Value value = find_key("run", key)->read(s);
    const auto& text = std::get<std::string>(value);
    if (const std::string why = too_long_path(text); !why.empty())
      reading.problem(place(reading, "run", key), "run.{} = \"{}...\": {}; choose a shorter one",
                      key, text.substr(0, 40), why);
  }
}

/// Fits read a rule's cost from the first letters of its method's name: they must not name another
/// rule.
void check_method(const Settings& s, Reading& reading) {
  const auto family = [](std::string_view name) {
    const auto end = std::ranges::find_if(name, [](unsigned char c) { return !std::isalpha(c); });
    return name.substr(0, static_cast<std::size_t>(end - name.begin()));
  };
  const std::string_view named = family(s.run.method);
  const bool is_a_rule =
      std::ranges::any_of(rules, [&](const Rule& rule) { return family(rule.name) == named; });
  if (is_a_rule && named != family(s.rule.name)) {
    reading.problem(place(reading, "run", "method"),
                    "run.method = \"{}\": names another rule than rule.name = \"{}\"; remove the "
                    "key or begin it with {}",
                    s.run.method, s.rule.name, family(s.rule.name));
  }
}

/// Schedules whose stages need not meet at the end of a step, and what it costs if they do (SPEC
/// section 6; pipeline/theory.cpp).
struct Wait {
  std::string_view schedule, cost;  ///< {}: ranks of the pipeline but one
};
constexpr std::array waits = {
    Wait{"unlocked", "{} forward(s) of a micro-batch"},
    Wait{"zb-h1", "nothing beyond its own bubble if an input gradient takes as long as a forward"},
    Wait{"zb-h2", "{} forward(s) of a micro-batch"},
    Wait{"zb-v", "half of {} forward(s) of a micro-batch"}};

}  // namespace

std::string default_schedule(const Rule& rule) {
  return rule.inner == Credit::chain ? "1f1b" : "unlocked";
}

void Reading::stop_if_wrong() const {
  constexpr std::size_t most = 100;
  if (problems.empty()) return;
  if (problems.size() <= most) fail(Exit::usage, "{}", fmt::join(problems, "\n"));
  fail(Exit::usage, "{}\n{} more mistakes",
       fmt::join(problems.begin(), problems.begin() + most, "\n"), problems.size() - most);
}

void derive_defaults(Settings& s, const Reading& reading) {
  if (!is_given(reading, "optim", "warmup_tokens")) s.optim.warmup_tokens = s.optim.tokens / 50;
  if (!is_given(reading, "parallel", "schedule")) s.parallel.schedule = default_schedule(s.rule);
  if (!is_given(reading, "parallel", "virtual_stages"))
    s.parallel.virtual_stages = find_schedule(s.parallel.schedule)->least_virtual_stages;
  if (!is_given(reading, "run", "method")) s.run.method = default_method(s.rule);
  if (!is_given(reading, "run", "name"))
    s.run.name = name_from_file(reading.deck) + "-" + s.run.method;
}

void check_together(const Settings& settings, Reading& reading) {
  check_sizes(settings, reading);
  check_lengths(settings, reading);
  check_rule(settings, reading);
  check_method(settings, reading);
}

std::vector<std::string> ties_between_stages(const Settings& s) {
  const auto runs_on = std::ranges::find(waits, s.parallel.schedule, &Wait::schedule);
  if (s.parallel.pp == 1 || runs_on == waits.end()) return {};
  std::vector<std::string> found;
  if (s.optim.clip == Clip::global)
    found.push_back(fmt::format(
        "optim.clip = \"global\": no stage updates before the gradients of all stages are known, "
        "so "
        "each step of schedule {} ends with a meeting, which costs {}; with optim.clip = \"block\" "
        "or \"none\" a stage goes on when it has updated itself",
        s.parallel.schedule, fmt::format(fmt::runtime(runs_on->cost), s.parallel.pp - 1)));
  if (s.model.tied && s.rule.train_projector)
    found.push_back(fmt::format(
        "model.tied = true: the first and the last stage hold one matrix, and update it when its "
        "gradient{} has gone between them; that hides behind other work unless their link is slow; "
        "with model.tied = false there is no such message, but a projector of its own",
        s.model.vocab == 0
            ? ""
            : fmt::format(" ({:.1f} MB each way, each step)",
                          4e-6 * static_cast<double>(s.model.vocab * s.model.width))));
  return found;
}

void resolve_layout(Settings& s, std::int64_t ranks) {
  if (s.parallel.dp == 0) {
    if (ranks % s.parallel.pp != 0)
      fail(Exit::usage,
           "parallel.pp = {}: needs a multiple of {} ranks, but {} started: launch {} (mpirun -n "
           "{}), or a multiple",
           s.parallel.pp, s.parallel.pp, ranks, s.parallel.pp, s.parallel.pp);
    s.parallel.dp = ranks / s.parallel.pp;
  }
  if (s.parallel.dp * s.parallel.pp != ranks) {
    fail(Exit::usage,
         "parallel.dp * parallel.pp = {} * {} needs {} ranks, but {} started: launch that many "
         "(mpirun -n {}), or set parallel.dp = 0 for as many replicas as there are ranks",
         s.parallel.dp, s.parallel.pp, s.parallel.dp * s.parallel.pp, ranks,
         s.parallel.dp * s.parallel.pp);
  }
  if (s.optim.batch_sequences % (s.parallel.dp * s.parallel.micro_batches) != 0) {
    fail(Exit::usage,
         "optim.batch_sequences = {}: expected a multiple of replicas * parallel.micro_batches = "
         "{} * {}",
         s.optim.batch_sequences, s.parallel.dp, s.parallel.micro_batches);
  }
}

}  // namespace dfascale
