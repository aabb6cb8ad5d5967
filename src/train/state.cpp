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

/// Where a shard's buffer has the row of a tensor.
float* row_of(const Parameter& p, std::int64_t row, const Shard& shard, Vec moments) {
  return moments.data + (p.trained_offset + row * p.cols - shard.first);
}

/// The stage of this rank that writes a tensor; null if another rank does.
const Learner* writer_of(const std::string& name, const std::vector<Learner*>& learners) {
  for (const Learner* learner : learners) {
    const Parameter& p = learner->table().find(name);
    if (p.held() && !p.is_copy) return learner;
  }
  return nullptr;
}

/// Rows dealt out evenly over replicas.
ShardRows share_of(std::int64_t rows, const Grid& grid) {
  const std::int64_t first = rows * grid.replica / grid.dp;
  return {first, rows * (grid.replica + 1) / grid.dp - first};
}

void load_rows(const CheckpointFile& file, const std::string& path, const Device& on,
               const Parameter& p, const ShardRows& rows, float* to) {
  if (!file.has(path))
    fail(Exit::checkpoint, "the checkpoint has no {}: it is of another model or rule{}", path,
         path.starts_with("/adam/") ? ", or was made without moments" : "");
  if (file.shape(path) != shape_of(p))
    fail(Exit::checkpoint, "{} in the checkpoint is [{}], the deck's model needs [{}]", path,
         fmt::join(file.shape(path), ", "), fmt::join(shape_of(p), ", "));
  if (rows.rows == 0) return;
  std::vector<float> values(static_cast<std::size_t>(rows.rows * p.cols));
  file.read(path, rows.first_row, rows.rows, values.data());
  copy_to_device(on, to, values.data(), values.size() * sizeof(float));
}

}  // namespace

/// Rows of an array as this rank holds them; none where there is no data.
struct StateSlices::Source {
  ShardRows rows;
  const float* data;
  const Device* device;
};

StateSlices::StateSlices(const ParallelLearner& model) {
  const std::vector<Learner*> learners = model.learners();
  for (const Parameter& any : learners.front()->table().all()) {
    const Learner* learner = writer_of(any.name, learners);
    const Source nothing{{0, 0}, nullptr, nullptr};
    if (learner == nullptr) {
      for (const char* group : {params_group, first_moment_group, second_moment_group})
        if (group == params_group || any.trained) add(group + any.name, any, nothing);
      continue;
    }
    const Parameter& p = learner->table().find(any.name);
    const bool is_sharded = learner->shard().size() < learner->table().trained_size();
    const ShardRows own = share_of(p.rows, model.grid());
    const Device& on = learner->device();
    add(params_group + p.name, p,
        {own, learner->values().data + p.offset + own.first_row * p.cols, &on});
    if (!p.trained) continue;
    const ShardRows moments = is_sharded ? rows_in(p, learner->shard()) : own;
    const auto source = [&](Vec buffer) {
      return Source{moments, row_of(p, moments.first_row, learner->shard(), buffer), &on};
    };
    add(first_moment_group + p.name, p, source(learner->first_moment()));
    add(second_moment_group + p.name, p, source(learner->second_moment()));
  }
}

void StateSlices::add(const std::string& path, const Parameter& p, const Source& source) {
  const float* data = source.data;
  if (!device_memory_is_host()) {
    staging_.emplace_back(static_cast<std::size_t>(source.rows.rows * p.cols));
    if (!staging_.back().empty())
      copy_to_host(*source.device, staging_.back().data(), source.data,
                   staging_.back().size() * sizeof(float));
    data = staging_.back().data();
  }
  slices_.push_back({path, shape_of(p), source.rows.first_row, source.rows.rows, data});
}

void load_state(const CheckpointFile& file, Learner& learner, Moments moments) {
  const Device& on = learner.device();
  for (const Parameter& p : learner.table().all()) {
    if (!p.held()) continue;
    load_rows(file, params_group + p.name, on, p, {0, p.rows}, learner.values().data + p.offset);
    if (moments == Moments::leave || !p.trained) continue;
    const ShardRows rows = rows_in(p, learner.shard());
    load_rows(file, first_moment_group + p.name, on, p, rows,
              row_of(p, rows.first_row, learner.shard(), learner.first_moment()));
    load_rows(file, second_moment_group + p.name, on, p, rows,
              row_of(p, rows.first_row, learner.shard(), learner.second_moment()));
  }
}

}  // namespace dfascale
