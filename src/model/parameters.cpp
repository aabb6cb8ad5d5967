#include "model/parameters.hpp"

#include <array>
#include <cmath>
#include <stdexcept>
#include <string_view>

#include "kernels/random.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace {

/// Sizes in letters, so that the table below reads as SPEC section 1 does.
enum class Extent { one, D, D3, D4, T, V };

struct Row {
  std::string_view name;
  Extent rows, cols;
  Init init;
};

constexpr std::array embedding_rows = {
    Row{"token_embedding.weight", Extent::V, Extent::D, Init::normal},
    Row{"position_embedding.weight", Extent::T, Extent::D, Init::normal},
};
constexpr std::array block_rows = {
    Row{"ln1.weight", Extent::D, Extent::one, Init::one},
    Row{"ln1.bias", Extent::D, Extent::one, Init::zero},
    Row{"attn.qkv.weight", Extent::D3, Extent::D, Init::normal},
    Row{"attn.qkv.bias", Extent::D3, Extent::one, Init::zero},
    Row{"attn.out.weight", Extent::D, Extent::D, Init::normal_residual},
    Row{"attn.out.bias", Extent::D, Extent::one, Init::zero},
    Row{"ln2.weight", Extent::D, Extent::one, Init::one},
    Row{"ln2.bias", Extent::D, Extent::one, Init::zero},
    Row{"mlp.fc1.weight", Extent::D4, Extent::D, Init::normal},
    Row{"mlp.fc1.bias", Extent::D4, Extent::one, Init::zero},
    Row{"mlp.fc2.weight", Extent::D, Extent::D4, Init::normal_residual},
    Row{"mlp.fc2.bias", Extent::D, Extent::one, Init::zero},
};
constexpr std::array head_rows = {
    Row{"final_ln.weight", Extent::D, Extent::one, Init::one},
    Row{"final_ln.bias", Extent::D, Extent::one, Init::zero},
};
constexpr Row projector_row{"projector.weight", Extent::V, Extent::D, Init::normal};

std::int64_t length(Extent extent, const Shape& s) {
  switch (extent) {
    case Extent::one: return 1;
    case Extent::D: return s.width;
    case Extent::D3: return 3 * s.width;
    case Extent::D4: return 4 * s.width;
    case Extent::T: return s.context;
    case Extent::V: return s.vocab;
  }
  throw std::logic_error("extent");
}

Parameter parameter(const Row& row, const std::string& prefix, const Shape& shape,
                    std::int64_t block, bool trained) {
  Parameter p{};
  p.name = prefix + std::string(row.name);
  p.rows = length(row.rows, shape);
  p.cols = length(row.cols, shape);
  p.padded_rows = row.rows == Extent::V ? shape.padded_vocab() : p.rows;
  p.dims = row.cols == Extent::one ? 1 : 2;
  p.init = row.init;
  p.block = block;
  p.trained = trained;
  return p;
}

constexpr std::int64_t floats_per_line = 16;  // tensors begin at 64-byte lines

std::int64_t rounded_up(std::int64_t size) {
  return (size + floats_per_line - 1) / floats_per_line * floats_per_line;
}

/// Tied, the last stage needs the token embedding as its projector.
bool holds(const StageRange& range, const Shape& shape, const Parameter& p) {
  if (p.block == shape.layers) return range.has_head;
  if (p.block >= 0) return range.holds_block(p.block);
  return range.has_embedding || (range.has_head && shape.tied && p.name == embedding_rows[0].name);
}

}  // namespace

ParameterTable::ParameterTable(const Shape& shape, const Rule& rule)
    : ParameterTable(shape, rule, whole_model(shape.layers)) {}

ParameterTable::ParameterTable(const Shape& shape, const Rule& rule, const StageRange& range)
    : blocks_(shape.layers) {
  const bool embedding = trains_embedding(rule, shape.layers);
  const bool token = embedding || (shape.tied && rule.train_projector);
  rows_.push_back(parameter(embedding_rows[0], "", shape, -1, token));
  rows_.push_back(parameter(embedding_rows[1], "", shape, -1, embedding));
  for (std::int64_t l = 0; l < shape.layers; ++l)
    for (const Row& row : block_rows)
      rows_.push_back(parameter(row, "blocks." + std::to_string(l) + ".", shape, l,
                                trains_block(rule, l, shape.layers)));
  for (const Row& row : head_rows) rows_.push_back(parameter(row, "", shape, shape.layers, true));
  if (!shape.tied)
    rows_.push_back(parameter(projector_row, "", shape, shape.layers, rule.train_projector));

  const bool shares = shape.tied && rule.train_projector && range.has_embedding != range.has_head;
  for (Parameter& p : rows_) {
    index_.emplace(p.name, index_.size());
    p.offset = p.trained_offset = holds(range, shape, p) ? 0 : -1;
    p.is_copy = p.block < 0 && !range.has_embedding;
    p.is_shared = shares && p.name == embedding_rows[0].name;
    p.is_summed_everywhere = p.is_shared || (shares && p.block == shape.layers);
  }
  place();
}

/// Gives the tensors that the stage holds their places: first those that every replica sums, then
/// the other trained ones, then the frozen ones.
void ParameterTable::place() {
  for (const int turn : {0, 1, 2}) {
    for (Parameter& p : rows_) {
      const int own_turn = !p.trained ? 2 : p.is_summed_everywhere ? 0 : 1;
      if (!p.held() || own_turn != turn) continue;
      p.offset = values_size_;
      p.trained_offset = p.trained ? p.offset : -1;
      values_size_ += rounded_up(p.padded_size());
      if (p.trained) trained_size_ = values_size_;
    }
  }
}

const Parameter& ParameterTable::find(const std::string& name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) throw std::logic_error("no parameter " + name);
  return rows_[it->second];
}

std::int64_t ParameterTable::count() const {
  std::int64_t n = 0;
  for (const Parameter& p : rows_) n += p.size();
  return n;
}

std::int64_t ParameterTable::count_without_embeddings() const {
  std::int64_t n = 0;
  for (const Parameter& p : rows_)
    if (p.block >= 0 && p.name != projector_row.name) n += p.size();
  return n;
}

std::int64_t ParameterTable::count_trained() const {
  std::int64_t n = 0;
  for (const Parameter& p : rows_)
    if (p.trained) n += p.size();
  return n;
}

void initialise(const Device& on, const ParameterTable& table, Vec values, std::uint64_t seed,
                double init_std) {
  fill(on, values, 0.0f);
  for (const Parameter& p : table.all()) {
    if (!p.held()) continue;
    const Vec logical = vector_of(p, Buffer::values, values).part(0, p.size());
    const RandomKey key{seed, Purpose::init, hash_name(p.name.c_str())};
    switch (p.init) {
      case Init::zero: break;
      case Init::one: fill(on, logical, 1.0f); break;
      case Init::normal: fill_normal(on, logical, key, 0, init_std); break;
      case Init::normal_residual:
        fill_normal(on, logical, key, 0,
                    init_std / std::sqrt(2.0 * static_cast<double>(table.blocks())));
        break;
    }
  }
}

}  // namespace dfascale
