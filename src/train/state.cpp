#include "train/state.hpp"

#include <fmt/ranges.h>

#include "base/error.hpp"

namespace dfascale {
namespace {

constexpr const char* params_group = "/params/";
constexpr const char* first_moment_group = "/adam/m/";
constexpr const char* second_moment_group = "/adam/v/";

std::vector<std::int64_t> shape_of(const Parameter& p) {
  return p.dims == 1 ? std::vector<std::int64_t>{p.rows}
                     : std::vector<std::int64_t>{p.rows, p.cols};
}

void load_array(const CheckpointFile& file, const std::string& path, const Device& on,
                const Parameter& p, Buffer kind, Vec buffer) {
  if (!file.has(path))
    fail(Exit::checkpoint, "the checkpoint has no {}: it is of another model or rule", path);
  if (file.shape(path) != shape_of(p))
    fail(Exit::checkpoint, "{} in the checkpoint is [{}], the deck's model needs [{}]", path,
         fmt::join(file.shape(path), ", "), fmt::join(shape_of(p), ", "));
  std::vector<float> rows(static_cast<std::size_t>(p.size()));
  file.read(path, 0, p.rows, rows.data());
  upload(on, p, kind, buffer, rows.data());
}

}  // namespace

StateSlices::StateSlices(const Learner& learner, int rank, int ranks) : rank_(rank), ranks_(ranks) {
  for (const Parameter& p : learner.table().all()) {
    add(learner, params_group + p.name, p, Buffer::values, learner.values());
    if (!p.trained) continue;
    add(learner, first_moment_group + p.name, p, Buffer::trained, learner.first_moment());
    add(learner, second_moment_group + p.name, p, Buffer::trained, learner.second_moment());
  }
}

void StateSlices::add(const Learner& learner, const std::string& path, const Parameter& p,
                      Buffer kind, ConstVec buffer) {
  const std::int64_t first = p.rows * rank_ / ranks_, last = p.rows * (rank_ + 1) / ranks_;
  const float* all = vector_of(p, kind, buffer).data;
  if constexpr (!device_memory_is_host) {
    staging_.push_back(download(learner.device(), p, kind, buffer));
    all = staging_.back().data();
  }
  slices_.push_back({path, shape_of(p), first, last - first, all + first * p.cols});
}

void load_state(const CheckpointFile& file, Learner& learner, Moments moments) {
  for (const Parameter& p : learner.table().all()) {
    load_array(file, params_group + p.name, learner.device(), p, Buffer::values, learner.values());
    if (moments == Moments::leave || !p.trained) continue;
    load_array(file, first_moment_group + p.name, learner.device(), p, Buffer::trained,
               learner.first_moment());
    load_array(file, second_moment_group + p.name, learner.device(), p, Buffer::trained,
               learner.second_moment());
  }
}

}  // namespace dfascale
