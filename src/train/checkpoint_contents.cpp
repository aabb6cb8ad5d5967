#include "train/checkpoint_contents.hpp"

#include "base/error.hpp"
#include "deck/deck.hpp"
#include "model/parameters.hpp"
#include "train/learner.hpp"

namespace dfascale {
namespace {

constexpr double best_compression = 1032;  // of deflate
constexpr std::int64_t arrays_of_block = 12;
constexpr std::int64_t least_bytes_of_array = 16;  // in a file's list of its arrays

template <class Number>
void must_be(const char* name, Number found, Number expected, const char* why,
             const std::string& file) {
  if (found != expected)
    fail(Exit::checkpoint, "{}: {} = {}, but {} {}: not a run's checkpoint", file, name, found, why,
         expected);
}

void check_progress(const CheckpointMeta& meta, const Settings& s, const std::string& file) {
  if (meta.step > s.steps())
    fail(Exit::checkpoint, "{}: step = {}, but its deck ends after {}: not a run's checkpoint",
         file, meta.step, s.steps());
  must_be("tokens", meta.tokens, meta.step * s.step_tokens(), "so many steps of its deck take",
          file);
  must_be("next_sample", meta.next_sample, meta.step * s.optim.batch_sequences,
          "so many steps of its deck end at", file);
  must_be("seed", meta.seed, s.run.seed, "run.seed of its deck is", file);
}

/// Before a table of a hostile deck's parameters is made.
void check_room(const ModelSettings& m, const std::string& file, std::int64_t file_bytes) {
  const auto L = static_cast<double>(m.layers), D = static_cast<double>(m.width),
             V = static_cast<double>(m.vocab), T = static_cast<double>(m.context);
  const double bytes = sizeof(float) * (12 * L * D * D + (V + T) * D);
  const std::int64_t arrays = m.layers * arrays_of_block;
  if (bytes > best_compression * static_cast<double>(file_bytes) ||
      arrays > file_bytes / least_bytes_of_array)
    fail(Exit::checkpoint,
         "{}: the model of its deck needs {:.0f} bytes in {} arrays or more, the file has {} bytes",
         file, bytes, arrays, file_bytes);
}

}  // namespace

Settings settings_of(const CheckpointMeta& meta, const std::string& file) {
  const Settings settings = [&] {
    try {
      return parse_deck(meta.deck, file + ": /meta/deck", {});
    } catch (const Error& error) {
      fail(Exit::checkpoint, "{}", error.what());
    }
  }();
  if (settings.model.vocab == 0 || settings.parallel.dp == 0)
    fail(Exit::checkpoint,
         "{}: the deck in it lacks model.vocab or parallel.dp, which a run fills in: not a run's",
         file);
  return settings;
}

Shapes contents_of(const CheckpointMeta& meta, const std::string& file, std::int64_t file_bytes) {
  const Settings s = settings_of(meta, file);
  check_progress(meta, s, file);
  check_room(s.model, file, file_bytes);
  const ParameterTable table(shape_of(s.model), s.rule);
  must_be("params", meta.params, table.count(), "the model of its deck has", file);
  Shapes arrays;
  for (const Parameter& p : table.all()) {
    const std::vector<std::int64_t> shape =
        p.dims == 1 ? std::vector{p.rows} : std::vector{p.rows, p.cols};
    arrays["/params/" + p.name] = shape;
    if (!p.trained) continue;
    arrays["/adam/m/" + p.name] = shape;
    arrays["/adam/v/" + p.name] = shape;
  }
  return arrays;
}

}  // namespace dfascale
