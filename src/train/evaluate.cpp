#include "train/evaluate.hpp"

#include <algorithm>

namespace dfascale {

double mean_loss(const Comm& comm, GradientTaker& taker, const ValidationSet& data, Batch& batch) {
  const std::int64_t all = data.sequences(), at_once = taker.stage().sequences,
                     context = taker.stage().shape.context;
  const auto view = [](const std::vector<std::int32_t>& v) {
    return Tokens{v.data(), static_cast<std::int64_t>(v.size())};
  };
  taker.begin_evaluation();
  for (std::int64_t first = comm.rank() * at_once; first < all; first += comm.size() * at_once) {
    const std::int64_t count = std::min(at_once, all - first);
    // The last micro-batch is filled up with earlier sequences, whose losses are not counted.
    data.fill(first, count, batch);
    batch.inputs.resize(static_cast<std::size_t>(at_once * context));
    batch.targets.resize(batch.inputs.size());
    taker.evaluate(view(batch.inputs), view(batch.targets), count);
  }
  return comm.sum(taker.loss_sum()) / static_cast<double>(all * context);
}

}  // namespace dfascale
