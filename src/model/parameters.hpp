// The parameter set as a table: names, shapes, initialisation, decay, owner.  Allocation,
// initialisation, optimiser, clipping, checkpoints, export and verification loop over it (SPEC
// section 1 for names and shapes).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "credit/rule.hpp"
#include "kernels/device.hpp"
#include "kernels/real.hpp"
#include "model/shape.hpp"
#include "model/stage_range.hpp"

namespace dfascale {

/// How a tensor starts: N(0, std), N(0, std / sqrt(2L)) (what is added to the residual stream), all
/// zero, all one.
enum class Init { normal, normal_residual, zero, one };

/// One tensor of the model.
struct Parameter {
  std::string name;          ///< "blocks.3.attn.qkv.weight"
  std::int64_t rows, cols;   ///< logical shape; cols == 1 and dims == 1 for vectors
  std::int64_t padded_rows;  ///< rows in memory (padded vocabulary)
  int dims;                  ///< 1 or 2; two-dimensional ones decay
  Init init;
  std::int64_t block;  ///< 0 .. L-1; -1 embeddings; L final LN and projector
  bool trained;        ///< has gradient, moments, decay and communication
  /// In floats, in the buffer of all values; -1 where another stage holds the tensor.  Trained
  /// tensors come before others, so that their values lie as their gradients and moments do.
  std::int64_t offset;
  std::int64_t trained_offset;  ///< the same, or -1 if frozen
  /// A tied matrix that the first and the last stage both hold and train: its gradient is the sum
  /// of theirs.
  bool is_shared;
  /// The last stage's: norms and files count the first stage's.
  bool is_copy;
  /// Even with sharded optimiser state every replica gets the whole sum of the gradient: shared
  /// matrices, and the head's tensors beside one, whose norm is wanted on the first stage.  These
  /// come first in the buffers.
  bool is_summed_everywhere;

  bool held() const { return offset >= 0; }

  std::int64_t size() const { return rows * cols; }                ///< logical elements
  std::int64_t padded_size() const { return padded_rows * cols; }  ///< elements in memory
};

/// Where a buffer holds a tensor: `values` holds all, `trained` only those with gradients.
enum class Buffer { values, trained };

class ParameterTable {
 public:
  /// All tensors of the model; those of the range have a place in the buffers.
  ParameterTable(const Shape& shape, const Rule& rule, const StageRange& range);
  /// The whole model's.
  ParameterTable(const Shape& shape, const Rule& rule);

  const std::vector<Parameter>& all() const { return rows_; }
  const Parameter& find(const std::string& name) const;
  std::int64_t blocks() const { return blocks_; }

  std::int64_t values_size() const {
    return values_size_;
  }  ///< floats in a buffer of all tensors, gaps included
  std::int64_t trained_size() const {
    return trained_size_;
  }  ///< floats in a buffer of the trained ones

  std::int64_t count() const;  ///< N: total, tied counted once, without padding
  std::int64_t count_without_embeddings()
      const;  ///< N less both embeddings and an untied projector
  std::int64_t count_trained() const;

 private:
  void place();

  std::vector<Parameter> rows_;
  std::unordered_map<std::string, std::size_t> index_;
  std::int64_t blocks_, values_size_ = 0, trained_size_ = 0;
};

/// Values of every tensor from (seed, name, element): SPEC section 1, Init.  Padded rows are zero.
void initialise(const Device& on, const ParameterTable& table, Vec values, std::uint64_t seed,
                double init_std);

/// A tensor of a buffer as a vector or matrix; empty if the buffer does not hold it.
template <class T>
Vector<T> vector_of(const Parameter& p, Buffer kind, Vector<T> buffer) {
  const std::int64_t offset = kind == Buffer::values ? p.offset : p.trained_offset;
  if (offset < 0 || !buffer) return {};
  return {buffer.data + offset, p.padded_size()};
}
template <class T>
Matrix<T> matrix_of(const Parameter& p, Buffer kind, Vector<T> buffer) {
  const Vector<T> flat = vector_of(p, kind, buffer);
  return flat ? Matrix<T>{flat.data, p.padded_rows, p.cols} : Matrix<T>{};
}

template <class T>
struct NormTensors {
  Vector<T> weight, bias;  // (D)
};
/// A matrix of gradients is float; one of values is read by products as these want it.
template <class T>
using Operand = std::conditional_t<std::is_const_v<T>, ConstStored, Matrix<T>>;
template <class T>
struct LinearTensors {
  Operand<T> weight;  // (out, in)
  Vector<T> bias;     // (out)
};
/// The tensors of one block, as values or as gradients (empty where not trained).
template <class T>
struct BlockTensors {
  NormTensors<T> ln1;
  LinearTensors<T> qkv, out;
  NormTensors<T> ln2;
  LinearTensors<T> fc1, fc2;
};
/// Everything that is not in a block.  `projector` is the token embedding where tied.
template <class T>
struct EndTensors {
  Matrix<T> token_embedding;     // (V, D)
  Matrix<T> position_embedding;  // (T, D)
  NormTensors<T> final_ln;
  Operand<T> projector;  // (V, D)
};

template <class T>
NormTensors<T> norm_of(const ParameterTable& table, const std::string& name, Buffer kind,
                       Vector<T> buffer) {
  return {vector_of(table.find(name + ".weight"), kind, buffer),
          vector_of(table.find(name + ".bias"), kind, buffer)};
}
template <class T>
LinearTensors<T> linear_of(const ParameterTable& table, const std::string& name, Buffer kind,
                           Vector<T> buffer) {
  return {matrix_of(table.find(name + ".weight"), kind, buffer),
          vector_of(table.find(name + ".bias"), kind, buffer)};
}
template <class T>
BlockTensors<T> block_of(const ParameterTable& table, std::int64_t block, Buffer kind,
                         Vector<T> buffer) {
  const std::string at = "blocks." + std::to_string(block) + ".";
  return {norm_of(table, at + "ln1", kind, buffer),
          linear_of(table, at + "attn.qkv", kind, buffer),
          linear_of(table, at + "attn.out", kind, buffer),
          norm_of(table, at + "ln2", kind, buffer),
          linear_of(table, at + "mlp.fc1", kind, buffer),
          linear_of(table, at + "mlp.fc2", kind, buffer)};
}
/// The projector's place in gradients is empty where the rule does not train it, even if the tied
/// matrix is trained.
template <class T>
EndTensors<T> ends_of(const ParameterTable& table, const Shape& shape, Buffer kind,
                      Vector<T> buffer) {
  const Parameter& projector =
      table.find(shape.tied ? "token_embedding.weight" : "projector.weight");
  return {matrix_of(table.find("token_embedding.weight"), kind, buffer),
          matrix_of(table.find("position_embedding.weight"), kind, buffer),
          norm_of(table, "final_ln", kind, buffer), matrix_of(projector, kind, buffer)};
}

}  // namespace dfascale
