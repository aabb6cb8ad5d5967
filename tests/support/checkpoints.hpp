// For tests of checkpoints: a small set of arrays with known values, cut into what each rank owns.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"

namespace dfascale::test {

struct NamedArray {
  std::string path;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Values that differ between arrays, elements and steps, among them denormals and negative zero.
inline std::vector<NamedArray> some_arrays(std::int64_t step) {
  std::vector<NamedArray> arrays;
  std::uint32_t word = 12345u + static_cast<std::uint32_t>(step);
  for (const std::string kind : {"/params/", "/adam/m/", "/adam/v/"})
    for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<std::int64_t>>>{
             {"token_embedding.weight", {67, 24}},
             {"blocks.0.ln1.weight", {24}},
             {"blocks.0.attn.qkv.weight", {72, 24}},
             {"blocks.0.mlp.fc2.bias", {1}},
             {"final_ln.bias", {24}}}) {
      NamedArray array{kind + name, shape, {}};
      array.values.resize(shape[0] * (shape.size() > 1 ? shape[1] : 1));
      for (float& value : array.values) {
        word = word * 1664525u + 1013904223u;
        const std::uint32_t finite = word & 0xBF7FFFFFu;  // never a full exponent
        std::memcpy(&value, &finite, sizeof value);
      }
      array.values[0] = -0.0F;
      arrays.push_back(array);
    }
  return arrays;
}

/// How rows are shared out.
enum class Share { even, one_owner_each, first_only };

inline std::vector<ArraySlice> slices_of(const std::vector<NamedArray>& arrays, int rank, int size,
                                         Share share) {
  std::vector<ArraySlice> slices;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const NamedArray& array = arrays[i];
    const std::int64_t all = array.shape[0], width = array.shape.size() > 1 ? array.shape[1] : 1;
    const int owner = share == Share::first_only ? 0 : static_cast<int>(i) % size;
    std::int64_t first = share == Share::even ? all * rank / size : 0;
    std::int64_t end = share == Share::even ? all * (rank + 1) / size : rank == owner ? all : 0;
    slices.push_back({array.path, array.shape, first, end - first,
                      end > first ? array.values.data() + first * width : nullptr});
  }
  return slices;
}

inline CheckpointMeta some_meta(std::int64_t step) {
  CheckpointMeta meta;
  meta.step = step;
  meta.tokens = step * 4096;
  meta.next_sample = step * 8 + 1;
  meta.flops = 1.2345678901234567e18 * static_cast<double>(step);
  meta.seconds = 0.1 * static_cast<double>(step);
  meta.seed = 0xFFFFFFFFFFFFFFF1u;
  meta.params = 57'700'000;
  meta.feedback_checksum = 0x8000000000000001u;
  meta.data_fingerprint = 42;
  meta.best_val_loss = 3.25;
  meta.deck = "[model]\nlayers = 3\n";
  meta.revision = "abcdef";
  meta.layout = "dp 2, pp 1";
  meta.more = R"({"note": 1})";
  return meta;
}

/// What a file of these arrays may hold, whatever its deck says.
inline Contents contents_of(const std::vector<NamedArray>& arrays) {
  Shapes shapes;
  for (const NamedArray& array : arrays) shapes[array.path] = array.shape;
  return [shapes](const CheckpointMeta&, const std::string&, std::int64_t) { return shapes; };
}

/// A file of some_arrays().
inline CheckpointFile open_checkpoint(const std::string& path,
                                      const WriterRanks& ranks = WriterRanks::alone()) {
  return {path, contents_of(some_arrays(0)), ranks};
}

/// Bitwise: what the file holds is what was given.
inline bool holds(const CheckpointFile& file, const std::vector<NamedArray>& arrays) {
  if (file.paths().size() != arrays.size()) return false;
  for (const NamedArray& array : arrays) {
    if (!file.has(array.path) || file.shape(array.path) != array.shape) return false;
    std::vector<float> values(array.values.size());
    file.read(array.path, 0, array.shape[0], values.data());
    if (std::memcmp(values.data(), array.values.data(), values.size() * sizeof(float)) != 0)
      return false;
  }
  return true;
}

}  // namespace dfascale::test
