#include "train/gradient_sums.hpp"

#include <algorithm>
#include <limits>

namespace dfascale {
namespace {

/// Of a tensor whose gradient this stage has no part in.
constexpr std::int64_t no_block = std::numeric_limits<std::int64_t>::min();

/// Where the last of the tensors that every replica sums ends, and each of their ends: no bucket
/// goes beyond one, so that a shared matrix has the same buckets on both its stages.
std::vector<std::int64_t> ends_of_summed_everywhere(const ParameterTable& table) {
  std::vector<std::int64_t> ends;
  for (const Parameter& p : table.all())
    if (p.is_summed_everywhere && p.trained_offset >= 0)
      ends.push_back(p.trained_offset + p.padded_size());
  std::sort(ends.begin(), ends.end());
  return ends;
}

/// Cuts of the whole, of [first, end) and from there.
std::vector<std::int64_t> cuts_within(std::vector<std::int64_t> cuts, std::int64_t first,
                                      std::int64_t end) {
  for (std::int64_t& cut : cuts) cut = std::clamp(cut, first, end) - first;
  return cuts;
}

}  // namespace

GradientSums::GradientSums(const ArrayComm& replicas, const ParameterTable& table, const Rule& rule,
                           const StageRange& range, std::int64_t bucket_bytes,
                           const std::vector<std::int64_t>& cuts)
    : replicas_(replicas),
      rule_(rule),
      range_(range),
      layers_(table.blocks()),
      size_(table.trained_size()) {
  if (replicas.size() > 1)
    lay_out(table, bucket_bytes / static_cast<std::int64_t>(sizeof(float)), cuts);
}

void GradientSums::lay_out(const ParameterTable& table, std::int64_t bucket_floats,
                           const std::vector<std::int64_t>& cuts) {
  const std::vector<std::int64_t> ends = ends_of_summed_everywhere(table);
  for (std::int64_t first = 0; first < size_;) {
    std::int64_t end = std::min(first + bucket_floats, size_);
    const auto of_all = std::upper_bound(ends.begin(), ends.end(), first);
    if (of_all != ends.end()) end = std::min(end, *of_all);
    Bucket bucket{.first = first, .end = end, .cuts = {}, .blocks = {}};
    if (of_all == ends.end() && cuts.size() > 2) bucket.cuts = cuts_within(cuts, first, end);
    bucket.blocks = blocks_in(table, bucket);
    if (!bucket.blocks.empty()) buckets_.push_back(std::move(bucket));
    first = end;
  }
}

/// When the gradient of a tensor is complete.
std::int64_t GradientSums::block_of(const Parameter& p) const {
  if (p.block >= 0) return p.block;
  if (range_.has_embedding && trains_embedding(rule_, layers_)) return p.block;
  return range_.has_head ? layers_ : no_block;  // a tied matrix that the projector alone trains
}

std::vector<std::int64_t> GradientSums::blocks_in(const ParameterTable& table,
                                                  const Bucket& bucket) const {
  std::vector<std::int64_t> blocks;
  for (const Parameter& p : table.all()) {
    const bool inside = p.trained_offset >= 0 && p.trained_offset < bucket.end &&
                        p.trained_offset + p.padded_size() > bucket.first;
    const std::int64_t block = block_of(p);
    if (inside && block != no_block &&
        std::find(blocks.begin(), blocks.end(), block) == blocks.end())
      blocks.push_back(block);
  }
  return blocks;
}

void GradientSums::begin(Vec gradients) {
  gradients_ = gradients;
  for (Bucket& bucket : buckets_) {
    bucket.is_started = false;
    bucket.open = bucket.blocks.size();
  }
}

void GradientSums::complete(std::int64_t block) {
  if (!gradients_) return;
  for (Bucket& bucket : buckets_) {
    if (std::find(bucket.blocks.begin(), bucket.blocks.end(), block) == bucket.blocks.end())
      continue;
    if (--bucket.open == 0) start(bucket);
  }
}

void GradientSums::start_rest() {
  for (Bucket& bucket : buckets_)
    if (!bucket.is_started) start(bucket);
}

void GradientSums::start(Bucket& bucket) {
  bucket.is_started = true;
  const Vec values = gradients_.part(bucket.first, bucket.end - bucket.first);
  bucket.request = bucket.cuts.empty() ? replicas_.start_all_reduce_sum(values)
                                       : replicas_.start_reduce_scatter_sum(values, bucket.cuts);
}

void GradientSums::wait_for(std::int64_t floats, const std::function<std::string()>& what) {
  for (Bucket& bucket : buckets_)
    if (bucket.first < floats) replicas_.wait(bucket.request, what);
}

}  // namespace dfascale
