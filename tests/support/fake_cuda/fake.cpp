// Device memory is host memory with an account; products are loops over columns with sums in float,
// refused where the library has none of their types, and where addresses, shapes or workspace are
// not what their algorithm was chosen for.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "control.hpp"
#include "kernels/real.hpp"

struct FakeHandle {};
struct FakeOperation {
  cublasComputeType_t sums;
  cudaDataType scales;
  std::int32_t first = CUBLAS_OP_N, second = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;  ///< of the result's type: what the library takes it for by itself
};
struct FakeLayout {
  cudaDataType type;
  std::uint64_t rows, cols;
  std::int64_t stride;
};
struct FakePreference {
  std::uint64_t workspace = 0;
  std::uint32_t reductions = 7, alignment[4] = {256, 256, 256, 256};
};

namespace {

std::map<void*, std::size_t> blocks;
std::map<const char*, std::size_t> pinned_blocks;

/// Memory of the host that CUDA copies from and to without waiting.
bool is_pinned(const void* memory) {
  const auto* const at = static_cast<const char*>(memory);
  auto next = pinned_blocks.upper_bound(at);
  return next != pinned_blocks.begin() && at < (--next)->first + next->second;
}

/// What an algorithm knows of the product that it was chosen for.
struct Choice {
  std::uint64_t m, n, k, strides, kind, workspace, alignments, bias_alignment;
};
static_assert(sizeof(Choice) <= sizeof(cublasLtMatmulAlgo_t));

/// An attribute as the caller gives it.
struct Given {
  const void* value;
  std::size_t bytes;

  template <class T>
  cublasStatus_t into(T& to) const {
    if (bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  }
};

std::uint64_t turned(const FakeLayout& m, std::int32_t side, bool rows) {
  return (side == CUBLAS_OP_N) == rows ? m.rows : m.cols;
}

Choice choice_for(const FakeOperation& operation, const FakeLayout& a, const FakeLayout& b,
                  const FakeLayout& c) {
  Choice choice{};
  choice.m = c.rows;
  choice.n = c.cols;
  choice.k = turned(a, operation.first, false);
  choice.strides = static_cast<std::uint64_t>((a.stride << 40) ^ (b.stride << 20) ^ c.stride);
  choice.kind = static_cast<std::uint64_t>(operation.first + 2 * operation.second) +
                8 * operation.epilogue + (static_cast<std::uint64_t>(a.type) << 16) +
                (static_cast<std::uint64_t>(c.type) << 32);
  return choice;
}

/// The part of the library's table of types (cublasLtMatmul) that has sums and scales in float.
bool has_types(const FakeOperation& operation, cudaDataType a, cudaDataType b, cudaDataType c,
               cudaDataType d) {
  return operation.sums == CUBLAS_COMPUTE_32F && operation.scales == CUDA_R_32F && a == b &&
         c == d && (c == CUDA_R_32F || a == CUDA_R_16BF);
}

bool fits(const FakeOperation& operation, const FakeLayout& a, const FakeLayout& b,
          const FakeLayout& c) {
  const auto dense = [](const FakeLayout& m) { return m.stride >= static_cast<long>(m.rows); };
  return turned(a, operation.first, true) == c.rows &&
         turned(b, operation.second, false) == c.cols &&
         turned(a, operation.first, false) == turned(b, operation.second, true) && dense(a) &&
         dense(b) && dense(c);
}

bool is_aligned(const void* address, std::uint64_t to) {
  return reinterpret_cast<std::uintptr_t>(address) % to == 0;
}

/// Nobody says how a bias is aligned: the library looks at its address.
std::uint64_t alignment_of(const void* address) {
  std::uint64_t alignment = 256;
  while (!is_aligned(address, alignment)) alignment /= 2;
  return alignment;
}

float element(const void* data, cudaDataType type, std::uint64_t i) {
  return type == CUDA_R_32F ? static_cast<const float*>(data)[i]
                            : float(static_cast<const dfascale::Bf16*>(data)[i]);
}

float at(const void* data, const FakeLayout& m, std::int32_t side, std::uint64_t r,
         std::uint64_t c) {
  if (side == CUBLAS_OP_T) std::swap(r, c);
  return element(data, m.type, r + c * static_cast<std::uint64_t>(m.stride));
}

/// Rounds to the type: once for each result.
void store(void* data, cudaDataType type, std::uint64_t i, float value) {
  if (type == CUDA_R_32F) static_cast<float*>(data)[i] = value;
  else static_cast<dfascale::Bf16*>(data)[i] = value;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t) { return "a fake error"; }
const char* cudaGetErrorName(cudaError_t) { return "fakeError"; }
cudaError_t cudaGetDeviceCount(int* cards) {
  *cards = fake_cuda::cards;
  return fake_cuda::counting;
}
cudaError_t cudaSetDevice(int card) {
  fake_cuda::card = card;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* card) {
  *card = fake_cuda::card;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int card) {
  std::strcpy(properties->name, card == 0 ? "Fake GPU" : "Other fake GPU");
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* all) {
  *free = fake_cuda::memory - fake_cuda::taken;
  *all = fake_cuda::memory;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  if (bytes > fake_cuda::memory - fake_cuda::taken) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  blocks[*memory] = bytes;
  fake_cuda::taken += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  if (memory != nullptr) fake_cuda::taken -= blocks.at(memory);
  blocks.erase(memory);
  std::free(memory);
  return fake_cuda::copying;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  const auto copy = [=] {
    if (bytes > 0) std::memcpy(to, from, bytes);
  };
  if (is_pinned(to) || is_pinned(from)) fake_cuda::queue_late(stream, copy);
  else copy();
  return fake_cuda::copying;
}
cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t stream) {
  return fake_cuda::queue(stream, [=] {
    for (std::size_t r = 0; r < height; ++r)
      std::memset(static_cast<char*>(to) + r * pitch, value, width);
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  fake_cuda::drain(stream);
  return fake_cuda::copying;
}
cudaError_t cudaDeviceSynchronize() { return fake_cuda::refuse_in_capture(); }
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  if (bytes > fake_cuda::pinned) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  pinned_blocks[static_cast<char*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  pinned_blocks.erase(static_cast<char*>(memory));
  std::free(memory);
  return cudaSuccess;
}

std::size_t cublasLtGetVersion() { return 120401; }
const char* cublasLtGetStatusString(cublasStatus_t) { return "a fake failure"; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new FakeHandle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t sums,
                                        cudaDataType scales) {
  *operation = new FakeOperation{sums, scales};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t bytes) {
  const Given given{value, bytes};
  switch (what) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return given.into(operation->first);
    case CUBLASLT_MATMUL_DESC_TRANSB: return given.into(operation->second);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return given.into(operation->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return given.into(operation->bias);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t cols,
                                          std::int64_t stride) {
  *layout = new FakeLayout{type, rows, cols, stride};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new FakePreference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t what,
                                                    const void* value, std::size_t bytes) {
  const Given given{value, bytes};
  if (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return given.into(preference->workspace);
  if (what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return given.into(preference->reductions);
  return given.into(preference->alignment[what - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES]);
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  ++fake_cuda::plans;
  if (!has_types(*operation, a->type, b->type, c->type, d->type))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!fits(*operation, *a, *b, *c) ||
      preference->reductions != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
    return CUBLAS_STATUS_INVALID_VALUE;
  Choice choice = choice_for(*operation, *a, *b, *c);
  choice.workspace = preference->workspace;
  for (const std::uint64_t alignment : preference->alignment)
    choice.alignments = choice.alignments << 16 | alignment;
  choice.bias_alignment = alignment_of(operation->bias);
  std::memcpy(&results[0].algo, &choice, sizeof choice);
  *found = fake_cuda::has_algorithm ? 1 : 0;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  if (fake_cuda::is_capturing()) {  // what pointers show now is kept, but for the matrices
    const auto later = [=, operation = *operation, a_layout = *a_layout, b_layout = *b_layout,
                        c_layout = *c_layout, alpha = *static_cast<const float*>(alpha),
                        beta = *static_cast<const float*>(beta), algorithm = *algorithm]() mutable {
      cublasLtMatmul(nullptr, &operation, &alpha, a, &a_layout, b, &b_layout, &beta, c, &c_layout,
                     d, &c_layout, &algorithm, workspace, workspace_bytes, stream);
    };
    return fake_cuda::queue(stream, later) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                          : CUBLAS_STATUS_EXECUTION_FAILED;
  }
  ++fake_cuda::products;
  Choice chosen{}, wanted = choice_for(*operation, *a_layout, *b_layout, *c_layout);
  std::memcpy(&chosen, algorithm, sizeof chosen);
  const auto promised = [&](int place) { return chosen.alignments >> 16 * (3 - place) & 0xffff; };
  wanted.workspace = workspace_bytes;
  wanted.alignments = chosen.alignments;
  wanted.bias_alignment = chosen.bias_alignment;
  if (std::memcmp(&chosen, &wanted, sizeof chosen) != 0 || workspace == nullptr || c != d ||
      !is_aligned(a, promised(0)) || !is_aligned(b, promised(1)) || !is_aligned(c, promised(2)) ||
      !is_aligned(d, promised(3)) || !is_aligned(operation->bias, chosen.bias_alignment))
    return CUBLAS_STATUS_INVALID_VALUE;
  for (std::uint64_t j = 0; j < c_layout->cols; ++j) {
    for (std::uint64_t i = 0; i < c_layout->rows; ++i) {
      float sum = 0;
      for (std::uint64_t l = 0; l < chosen.k; ++l)
        sum += at(a, *a_layout, operation->first, i, l) * at(b, *b_layout, operation->second, l, j);
      sum *= *static_cast<const float*>(alpha);
      const float keep = *static_cast<const float*>(beta);
      if (keep != 0) sum += keep * at(c, *c_layout, CUBLAS_OP_N, i, j);
      if (operation->epilogue == CUBLASLT_EPILOGUE_BIAS)
        sum += element(operation->bias, c_layout->type, i);
      store(d, c_layout->type, i + j * static_cast<std::uint64_t>(c_layout->stride), sum);
    }
  }
  return fake_cuda::multiplying;
}
