// Matrix products by cuBLASLt on this rank's GPU, in the order of the device's stream.
//
// Sums run in f32, of f32 operands (no TF32) and of bf16 ones.  The library is asked once for each
// kind of product which algorithm it would take, and only for algorithms whose sums have a fixed
// order, so that a run repeats its arithmetic.  A bias is added in the epilogue; the library wants
// it in the result's type, so that of a bf16 result is rounded first (docs/numerics.md).  The
// library's other epilogues do not fit what is asked for here: that of ReLU keeps a mask where
// rules with another derivative need the pre-activation, and those of bias gradients overwrite
// what steps of several micro-batches add up.  AMD: hipBLASLt has this interface under its own
// names.
#include <cublasLt.h>

#include <array>
#include <unordered_map>

#include "kernels/cuda/calls.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_columns.hpp"
#include "kernels/gemm_shape.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace {

/// What NVIDIA recommends for Hopper; older cards take less of it.
constexpr std::size_t workspace_size = std::size_t{32} << 20;

/// Elements that a bias in bf16 may have: room for it follows the workspace.
constexpr std::int64_t longest_bias = std::int64_t{1} << 19;
constexpr std::size_t bias_size = longest_bias * sizeof(Bf16);

void expect(cublasStatus_t status, const Product& p) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(Exit::device, "cuBLASLt: {} in the matrix product {}", cublasLtGetStatusString(status),
       describe(p));
}

using Handle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

/// What the library looks at when it chooses an algorithm: types, extents, strides, sides,
/// epilogue, and how far addresses are aligned.
using Key = std::array<std::int64_t, 16>;

Key key_of(const Product& p, const ColumnProduct& columns) {
  return {p.a.precision == Precision::bf16,
          p.c.precision == Precision::bf16,
          columns.result.rows,
          columns.result.cols,
          columns.depth,
          p.a.stride,
          p.b.stride,
          p.c.stride,
          p.a_side == Side::turned,
          p.b_side == Side::turned,
          p.into == Into::add,
          static_cast<bool>(p.bias),
          alignment_of(p.a.data),
          alignment_of(p.b.data),
          alignment_of(p.c.data),
          alignment_of(columns.bias)};
}

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t h = 0;
    for (const std::int64_t part : key) h = h * 1000003u + static_cast<std::size_t>(part);
    return h;
  }
};

/// A kind of product as the library knows it.
struct Prepared {
  Operation operation;
  Layout first, second, result;
  cublasLtMatmulAlgo_t algorithm;
};

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t what, const T& value,
         const Product& p) {
  expect(cublasLtMatmulDescSetAttribute(operation.get(), what, &value, sizeof value), p);
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t what, const T& value,
         const Product& p) {
  expect(cublasLtMatmulPreferenceSetAttribute(preference.get(), what, &value, sizeof value), p);
}

Operation operation_of(const Product& p, const ColumnProduct& columns) {
  cublasLtMatmulDesc_t made = nullptr;
  expect(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), p);
  Operation operation(made);
  const auto turn = [](Side side) { return side == Side::turned ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, turn(columns.first.side), p);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, turn(columns.second.side), p);
  if (!p.bias) return operation;
  set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS, p);
  set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, columns.bias, p);
  return operation;
}

Layout layout_of(const Columns& m, const Product& p) {
  cublasLtMatrixLayout_t made = nullptr;
  const cudaDataType type = m.precision == Precision::f32 ? CUDA_R_32F : CUDA_R_16BF;
  expect(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(m.rows),
                                    static_cast<std::uint64_t>(m.cols), m.stride),
         p);
  return Layout(made);
}

/// Algorithms that fit the workspace and the addresses, and that add up parts of sums in a step of
/// their own.
Preference preference_of(const Product& p) {
  cublasLtMatmulPreference_t made = nullptr;
  expect(cublasLtMatmulPreferenceCreate(&made), p);
  Preference preference(made);
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_size}, p);
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions, p);
  const auto align = [&](cublasLtMatmulPreferenceAttributes_t what, const void* data) {
    set(preference, what, static_cast<std::uint32_t>(alignment_of(data)), p);
  };
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.b.data);  // operands change places
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.a.data);
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.c.data);
  align(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.c.data);
  return preference;
}

}  // namespace

struct Gemm::State {
  explicit State(const Device& on) : on(on) {}
  void open(const Product& p);
  Prepared& prepared(const Product& p, const ColumnProduct& columns);
  Prepared prepare(const Product& p, const ColumnProduct& columns) const;
  const void* rounded_bias(const Product& p) const;
  void add_nothing(const Product& p) const;

  Device on;
  Handle handle;
  std::unique_ptr<void, void (*)(void*)> workspace{nullptr, device_free};
  std::unordered_map<Key, Prepared, KeyHash> all;
};

void Gemm::State::open(const Product& p) {
  cublasLtHandle_t made = nullptr;
  expect(cublasLtCreate(&made), p);
  handle.reset(made);
  workspace.reset(device_allocate(workspace_size + bias_size));
}

Prepared Gemm::State::prepare(const Product& p, const ColumnProduct& columns) const {
  Prepared made{operation_of(p, columns),
                layout_of(columns.first, p),
                layout_of(columns.second, p),
                layout_of(columns.result, p),
                {}};
  const Preference preference = preference_of(p);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  expect(cublasLtMatmulAlgoGetHeuristic(handle.get(), made.operation.get(), made.first.get(),
                                        made.second.get(), made.result.get(), made.result.get(),
                                        preference.get(), 1, &best, &found),
         p);
  if (found == 0)
    fail(Exit::device, "cuBLASLt has no algorithm for the matrix product {}", describe(p));
  made.algorithm = best.algo;
  return made;
}

Prepared& Gemm::State::prepared(const Product& p, const ColumnProduct& columns) {
  const Key key = key_of(p, columns);
  const auto found = all.find(key);
  if (found != all.end()) return found->second;
  return all.emplace(key, prepare(p, columns)).first->second;
}

/// A copy of the bias in bf16, good until the next one: what reads it is queued before that.
const void* Gemm::State::rounded_bias(const Product& p) const {
  if (p.bias.size > longest_bias)
    fail(Exit::device, "a bias of more than {} elements in the matrix product {}", longest_bias,
         describe(p));
  auto* const room = static_cast<char*>(workspace.get()) + workspace_size;
  const Matrix<Bf16> copy(reinterpret_cast<Bf16*>(room), 1, p.bias.size);
  convert(on, copy, ConstMat(p.bias.data, 1, p.bias.size));
  return room;
}

/// A product with sums of no terms, which the library does not know: C = bias, or C += bias.
void Gemm::State::add_nothing(const Product& p) const {
  const ConstMat bias(p.bias.data, p.c.rows, p.c.cols, 0);  // the same row everywhere
  const auto bytes = [&](std::int64_t elements) {
    return static_cast<std::size_t>(elements * bytes_of(p.c.precision));
  };
  if (p.into == Into::overwrite)
    CUDA_CHECKED(cudaMemset2DAsync(p.c.data, bytes(p.c.stride), 0, bytes(p.c.cols),
                                   static_cast<std::size_t>(p.c.rows),
                                   static_cast<cudaStream_t>(on.stream)));
  if (p.bias) add(on, p.c, p.c, bias);
}

Gemm::Gemm(const Device& on, Products by) : state_(std::make_unique<State>(on)), by_(by) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& p) {
  const std::int64_t k = checked_depth(p);
  if (p.c.rows == 0 || p.c.cols == 0) return;
  if (k == 0) return state_->add_nothing(p);
  if (!state_->handle) state_->open(p);
  ColumnProduct columns = by_columns(p, k);
  if (p.bias && p.c.precision == Precision::bf16) columns.bias = state_->rounded_bias(p);
  const Prepared& with = state_->prepared(p, columns);
  if (p.bias) set(with.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, columns.bias, p);
  const float alpha = 1.0f, beta = p.into == Into::add ? 1.0f : 0.0f;
  expect(cublasLtMatmul(state_->handle.get(), with.operation.get(), &alpha, columns.first.data,
                        with.first.get(), columns.second.data, with.second.get(), &beta, p.c.data,
                        with.result.get(), p.c.data, with.result.get(), &with.algorithm,
                        state_->workspace.get(), workspace_size,
                        static_cast<cudaStream_t>(state_->on.stream)),
         p);
}

Support Gemm::support(Precision) { return Support::native; }

std::int64_t Gemm::workspace_bytes() { return workspace_size + bias_size; }

std::string Gemm::library() {
  const std::size_t version = cublasLtGetVersion();
  return fmt::format("cuBLASLt {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace dfascale
