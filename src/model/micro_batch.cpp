#include "model/micro_batch.hpp"

namespace dfascale {
namespace {

void upload(const Device& on, Vector<std::int32_t> to, const std::int32_t* from,
            std::int64_t count) {
  copy_to_device(on, to.data, from, static_cast<std::size_t>(count) * sizeof(std::int32_t));
}

template <class T>
Vector<T> view(std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

}  // namespace

MicroBatch::MicroBatch(Arena& arena, const Shape& shape, std::int64_t sequences) {
  const std::int64_t R = sequences * shape.context;
  inputs_ = arena.vector<std::int32_t>(R);
  targets_ = arena.vector<std::int32_t>(R);
  places_ = arena.vector<std::int32_t>(R);
  start_ = arena.vector<std::int32_t>(R + 1);
  host_places_.resize(static_cast<std::size_t>(R));
  host_start_.resize(static_cast<std::size_t>(R) + 1);
  host_count_.resize(static_cast<std::size_t>(shape.padded_vocab()));
}

void MicroBatch::load(const Device& on, Tokens inputs, Tokens targets) {
  runs_ = group_tokens(inputs, view(host_places_), view(host_start_), view(host_count_));
  upload(on, inputs_, inputs.data, inputs.size);
  upload(on, targets_, targets.data, targets.size);
  upload(on, places_, host_places_.data(), inputs.size);
  upload(on, start_, host_start_.data(), runs_ + 1);
}

}  // namespace dfascale
