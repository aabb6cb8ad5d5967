#include "train/alignment.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "kernels/reduce.hpp"

namespace dfascale {
namespace {

const Rule& backpropagation() { return rules.front(); }

Alignment alignment(const std::string& name, double rule, double bp, double both) {
  const double product = std::sqrt(rule) * std::sqrt(bp);
  const double cosine = product > 0 ? both / product : std::numeric_limits<double>::quiet_NaN();
  return {name, cosine, std::sqrt(rule), std::sqrt(bp)};
}

}  // namespace

AlignmentProbe::AlignmentProbe(const Device& on, Gemm& gemm, const Shape& shape,
                               std::int64_t micro_batch_sequences, Learner& learner)
    : on_(on), learner_(learner) {
  backprop_ = make_in<GradientTaker>(arena_, on, gemm, shape, backpropagation(),
                                     whole_model_layout(shape, micro_batch_sequences));
  backprop_->bind(learner.values(), learner.feedback());
  sum_arena_.vector<double>(3);
  sum_arena_.commit();
  sums_ = sum_arena_.vector<double>(3);
}

AlignmentProbe::Sums AlignmentProbe::sums_of(const Parameter& rule_row, const Parameter& bp_row) {
  const ConstVec bp = vector_of(bp_row, Buffer::trained, ConstVec(backprop_->gradients()));
  const ConstVec own = vector_of(rule_row, Buffer::trained, ConstVec(learner_.gradients()));
  sum_of_squares(on_, sums_.data + 1, bp);
  if (own) {
    sum_of_squares(on_, sums_.data, own);
    dot(on_, sums_.data + 2, own, bp);
  }
  std::array<double, 3> sums{};
  copy_to_host(on_, sums.data(), sums_.data, sizeof sums);
  return own ? Sums{sums[0], sums[1], sums[2]} : Sums{0, sums[1], 0};
}

std::vector<Alignment> AlignmentProbe::measure(Tokens inputs, Tokens targets) {
  const float scale = 1.0f / static_cast<float>(inputs.size);
  for (GradientTaker* taker : {&learner_.taker(), backprop_.get()}) {
    taker->begin();
    taker->learn(inputs, targets, scale);
  }
  std::vector<Alignment> found;
  std::vector<Sums> blocks(static_cast<std::size_t>(learner_.table().blocks()));
  Sums all;
  const auto add = [](Sums& to, const Sums& more) {
    to.rule += more.rule;
    to.bp += more.bp;
    to.both += more.both;
  };
  for (const Parameter& row : learner_.table().all()) {
    const Sums sums = sums_of(row, backprop_->table().find(row.name));
    found.push_back(alignment(row.name, sums.rule, sums.bp, sums.both));
    add(all, sums);
    if (row.block >= 0 && row.block < learner_.table().blocks())
      add(blocks[static_cast<std::size_t>(row.block)], sums);
  }
  for (std::size_t l = 0; l < blocks.size(); ++l)
    found.push_back(
        alignment("blocks." + std::to_string(l), blocks[l].rule, blocks[l].bp, blocks[l].both));
  found.push_back(alignment("all", all.rule, all.bp, all.both));
  return found;
}

std::int64_t planned_probe_bytes(const Shape& shape, std::int64_t micro_batch_sequences) {
  const Device on;
  Gemm gemm(on);
  Arena counting;
  const GradientTaker counted(counting, on, gemm, shape, backpropagation(),
                              whole_model_layout(shape, micro_batch_sequences));
  return counting.bytes();
}

}  // namespace dfascale
