#include "tools/trained_model.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "deck/deck.hpp"
#include "train/checkpoint_contents.hpp"
#include "train/state.hpp"

namespace dfascale {
namespace {

namespace fs = std::filesystem;

/// Going forward only: the rule that trains least takes least memory.
Rule rule_for_reading() {
  const auto least = [](const Rule& rule) { return rule.inner == Credit::none; };
  return *std::find_if(rules.begin(), rules.end(), least);
}

}  // namespace

std::string checkpoints_folder_at(const std::string& folder) {
  std::error_code ignored;
  const std::string inner = folder + "/checkpoints";
  return fs::is_directory(inner, ignored) ? inner : folder;
}

std::string checkpoint_at(const std::string& where) {
  std::error_code ignored;
  if (!fs::is_directory(where, ignored)) return where;
  const CheckpointFolder folder(checkpoints_folder_at(where), 1, 0, WriterRanks::all());
  const std::optional<std::string> found = folder.newest_good();
  if (!found)
    fail(Exit::checkpoint,
         "{}: no good checkpoint in this folder; expected a run folder (runs/NAME), its "
         "checkpoints folder, or a file step_*.h5",
         where);
  return *found;
}

std::string file_behind(const std::string& path) {
  std::error_code none;
  const fs::path real = fs::canonical(path, none);
  return none ? path : real.string();
}

bool may_have_another(const std::string& where) {
  std::error_code ignored;
  return fs::is_directory(where, ignored) || fs::is_symlink(where, ignored);
}

bool has_gone(const std::string& file) {
  std::error_code reason;
  const bool is_here = fs::exists(file, reason) || reason;
  return WriterRanks::all().from_first(is_here ? "here" : "gone") == "gone";
}

bool is_checkpoint(const std::string& where) {
  std::error_code ignored;
  const fs::path path = where;
  if (fs::is_directory(path, ignored) || path.extension() == ".h5" || path.filename() == "latest")
    return true;
  if (!fs::is_regular_file(path, ignored)) return false;
  char start[4] = {};
  std::ifstream(where, std::ios::binary).read(start, sizeof start);
  return std::string_view(start, sizeof start) == "\x89HDF";
}

TrainedModel::TrainedModel(const Device& device, const std::string& where, std::int64_t sequences)
    : device_(device) {
  const CheckpointFile file = open_checkpoint_at(where, [this](const std::string& found) {
    file_ = found;
    return CheckpointFile(found, contents_of, WriterRanks::all());
  });
  meta_ = file.meta();
  settings_ = settings_of(meta_, file_);
  if (!settings_.run.graphs) device_ = without_graphs(device);
  if (sequences == 0) sequences = settings_.micro_batch_sequences();
  const Shape shape = shape_of(settings_.model);
  learner_ = make_in<Learner>(arena_, device_, gemm_, shape, rule_for_reading(), settings_.optim,
                              whole_model_layout(shape, sequences, settings_.optim.precision));
  learner_->initialise_parameters(0, 0);  // padding to zero
  load_state(file, *learner_, Moments::leave);
  taker().begin_evaluation();
}

}  // namespace dfascale
