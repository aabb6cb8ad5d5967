#include "train/evaluate.hpp"

#include <algorithm>

namespace dfascale {

ValidationShare validation_share(const ValidationSet& data, std::int64_t replica,
                                 std::int64_t replicas, std::int64_t sequences) {
  const std::int64_t all = data.sequences(), parts = (all + sequences - 1) / sequences;
  const std::int64_t own = parts > replica ? (parts - replica + replicas - 1) / replicas : 0;
  return {own, [=, &data](std::int64_t micro_batch, Batch& batch) {
            const std::int64_t first = (micro_batch * replicas + replica) * sequences;
            const std::int64_t count = std::min(sequences, all - first);
            data.fill(first, count, batch);
            const std::size_t full = batch.inputs.size() / static_cast<std::size_t>(count) *
                                     static_cast<std::size_t>(sequences);
            batch.inputs.resize(full);
            batch.targets.resize(full);
            return count;
          }};
}

double mean_loss(const Comm& comm, GradientTaker& taker, const ValidationSet& data) {
  const ValidationShare share =
      validation_share(data, comm.rank(), comm.size(), taker.stage().sequences);
  Batch batch;
  taker.begin_evaluation();
  for (std::int64_t m = 0; m < share.micro_batches; ++m) {
    const std::int64_t count = share.tokens(m, batch);
    const auto view = [](const std::vector<std::int32_t>& v) {
      return Tokens{v.data(), static_cast<std::int64_t>(v.size())};
    };
    taker.evaluate(view(batch.inputs), view(batch.targets), count);
  }
  return comm.sum(taker.loss_sum()) /
         static_cast<double>(data.sequences() * taker.stage().shape.context);
}

}  // namespace dfascale
