// Matrix products by oneDNN, versions 2.6 and 3.x, on the calling rank's threads.
//
// In float two routes, chosen by a rule that looks at the product only, so that a run always
// repeats the same arithmetic: dnnl_sgemm, which needs no set-up, and the matmul primitive, built
// once per shape and kept.  In bf16 matmul, or, on processors whose bf16 is missing or slower than
// float, dnnl_sgemm on widened copies, block by block.
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_shape.hpp"

namespace dfascale {
namespace {

/// What a matmul primitive is built for.
struct Key {
  std::int64_t m, n, k, a_stride, b_stride, c_stride;
  Side a_side, b_side;
  Precision operands, result;
  Into into;
  bool bias;

  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t h = 0;
    for (const std::int64_t part :
         {key.m, key.n, key.k, key.a_stride, key.b_stride, key.c_stride,
          std::int64_t{32} * (key.operands == Precision::bf16) +
              16 * (key.result == Precision::bf16) + 8 * (key.a_side == Side::turned) +
              4 * (key.b_side == Side::turned) + 2 * (key.into == Into::add) + key.bias}) {
      h = h * 1000003u + static_cast<std::size_t>(part);
    }
    return h;
  }
};

/// A built matmul and its memory objects, which get new addresses at every call.
struct Primitive {
  dnnl::matmul matmul;
  dnnl::memory a, b, c, bias;
};

dnnl::memory::desc layout(std::int64_t rows, std::int64_t cols, std::int64_t stride, Side side,
                          Precision precision) {
  const auto strides =
      side == Side::plain ? dnnl::memory::dims{stride, 1} : dnnl::memory::dims{1, stride};
  const auto type =
      precision == Precision::f32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  return {{rows, cols}, type, strides};
}

#if DNNL_VERSION_MAJOR >= 3
dnnl::matmul::primitive_desc describe_matmul(
    const dnnl::engine& engine, const dnnl::memory::desc& a, const dnnl::memory::desc& b,
    const dnnl::memory::desc& bias, const dnnl::memory::desc& c, const dnnl::primitive_attr& attr) {
  return {engine, a, b, bias, c, attr};
}
#else
dnnl::matmul::primitive_desc describe_matmul(
    const dnnl::engine& engine, const dnnl::memory::desc& a, const dnnl::memory::desc& b,
    const dnnl::memory::desc& bias, const dnnl::memory::desc& c, const dnnl::primitive_attr& attr) {
  return {dnnl::matmul::desc(a, b, bias, c), attr, engine};
}
#endif

Primitive build(const dnnl::engine& engine, const Key& key) {
  const dnnl::memory::desc a = layout(key.m, key.k, key.a_stride, key.a_side, key.operands);
  const dnnl::memory::desc b = layout(key.k, key.n, key.b_stride, key.b_side, key.operands);
  const dnnl::memory::desc c = layout(key.m, key.n, key.c_stride, Side::plain, key.result);
  const dnnl::memory::desc bias =
      key.bias ? layout(1, key.n, key.n, Side::plain, Precision::f32) : dnnl::memory::desc();
  dnnl::post_ops after;
  if (key.into == Into::add) after.append_sum(1.0f);
  dnnl::primitive_attr attr;
  attr.set_post_ops(after);
  const auto at = [&](const dnnl::memory::desc& d) { return dnnl::memory(d, engine, nullptr); };
  return {dnnl::matmul(describe_matmul(engine, a, b, bias, c, attr)), at(a), at(b), at(c),
          key.bias ? at(bias) : dnnl::memory()};
}

bool has_gaps(const ConstStored& m) { return m.stride != m.cols; }

/// Which route is faster, from measurements on one core of Zen 5 over the shapes of the paper's
/// ladder: matmul (2 to 10 %) for narrow results with short sums, sgemm for the rest, weight
/// gradients (A turned) above all.  Where rows lie apart matmul goes sgemm's way after all, and
/// is called only for the bias, which sgemm does not know (Sapphire Rapids, oneDNN 2.6).
bool wants_matmul(const Product& p, std::int64_t k) {
  constexpr std::int64_t narrow = 1024, short_sum = 4096, short_turned_sum = 1024;
  if (p.a_side == Side::turned) return false;
  if (has_gaps(p.a) || has_gaps(p.b) || has_gaps(p.c)) return static_cast<bool>(p.bias);
  return p.c.cols <= narrow && k <= (p.b_side == Side::plain ? short_sum : short_turned_sum);
}

/// A bf16 result is summed up in a float copy of it, which the library keeps: in parts of so many
/// elements, 16 MiB, it stays small and in cache (the logits' would have 210 MB).
constexpr std::int64_t most_in_stripe = std::int64_t{4} << 20;

/// Operands are widened in blocks of so many elements, 4 MiB, with sums of at most 2,048 terms, for
/// at most 2,048 rows and columns of C.  Each is then used for 512 sums or more, and widening takes
/// less than a tenth of the products' time.
constexpr std::int64_t most_in_block = std::int64_t{1} << 20, most_extent = 2048;

/// C = bias or C += bias on every row: what a product without bias is then added to.
void start_with_bias(const Product& p) {
  with_type(p.c.precision, [&]<class T>(T) {
    const Matrix<T> to = p.c.as<T>();
    for (std::int64_t r = 0; r < to.rows; ++r) {
      for (std::int64_t c = 0; c < to.cols; ++c) {
        to(r, c) = p.bias(c) + (p.into == Into::add ? static_cast<float>(to(r, c)) : 0.0f);
      }
    }
  });
}

/// A float matrix in memory that grows to the largest asked for.  Rows are a line further apart
/// than they are wide: at a power of two all would fall into few sets of a cache.
Mat scratch(std::vector<float>& memory, std::int64_t rows, std::int64_t cols) {
  const std::int64_t stride = cols + 16;
  if (static_cast<std::int64_t>(memory.size()) < rows * stride)
    memory.resize(static_cast<std::size_t>(rows * stride));
  return {memory.data(), rows, cols, stride};
}

/// The part of an operand that holds op(M)'s rows and columns from `row` and `col`.
ConstStored operand_part(const ConstStored& m, Side side, std::int64_t row, std::int64_t rows,
                         std::int64_t col, std::int64_t cols) {
  return side == Side::plain ? m.rows_from(row, rows).cols_from(col, cols)
                             : m.rows_from(col, cols).cols_from(row, rows);
}

template <class To, class From>
void convert_rows(const Matrix<To>& to, const Matrix<From>& from) {
  for (std::int64_t r = 0; r < to.rows; ++r) {
    To* const target = to.data + r * to.stride;
    From* const source = from.data + r * from.stride;
    for (std::int64_t c = 0; c < to.cols; ++c) target[c] = static_cast<float>(source[c]);
  }
}

ConstMat widen(std::vector<float>& memory, const ConstStored& m) {
  const Mat wide = scratch(memory, m.rows, m.cols);
  convert_rows(wide, m.as<const Bf16>());
  return wide;
}

bool has(dnnl_cpu_isa_t isa) { return (dnnl_get_effective_cpu_isa() & isa) == isa; }

/// Intel's AVX-512 units take twice as long for bf16 as for float from Sapphire Rapids on, where
/// AMX is meant to be used; virtual machines may hide it.  Who names instructions for oneDNN gets
/// them.
bool is_half_slow() {
#if defined(__x86_64__)
  const bool is_named = std::getenv("ONEDNN_MAX_CPU_ISA") || std::getenv("DNNL_MAX_CPU_ISA");
  return !is_named && !has(dnnl_cpu_isa_avx512_core_amx) && __builtin_cpu_is("intel") &&
         !__builtin_cpu_is("cooperlake");
#else
  return false;
#endif
}

void expect(dnnl_status_t status, const Product& p) {
  if (status != dnnl_success) {
    fail(Exit::device, "oneDNN status {} in the matrix product {}", static_cast<int>(status),
         describe(p));
  }
}

}  // namespace

struct Gemm::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::unordered_map<Key, Primitive, KeyHash> primitives;
  std::vector<float> wide_a, wide_b, wide_c;  ///< of blocks that are widened

  Primitive& primitive(const Product& p, std::int64_t k);
  void matmul(const Product& p, std::int64_t k);
  void sgemm(const Product& p, std::int64_t k);
  void product(const Product& p, std::int64_t k);
  void half_product(const Product& p, std::int64_t k);
  void stripes(const Product& p, std::int64_t k);
  void widened(const Product& p, std::int64_t k);
};

Primitive& Gemm::State::primitive(const Product& p, std::int64_t k) {
  const Key key{p.c.rows,      p.c.cols,      k,        p.a.stride,
                p.b.stride,    p.c.stride,    p.a_side, p.b_side,
                p.a.precision, p.c.precision, p.into,   static_cast<bool>(p.bias)};
  const auto found = primitives.find(key);
  if (found != primitives.end()) return found->second;
  try {
    return primitives.emplace(key, build(engine, key)).first->second;
  } catch (const dnnl::error& error) {
    fail(Exit::device, "oneDNN cannot build the matrix product {}: {}", describe(p), error.what());
  }
}

// Through the C interface: the C++ one makes a map of its arguments at every call.
void Gemm::State::matmul(const Product& p, std::int64_t k) {
  Primitive& built = primitive(p, k);
  dnnl_exec_arg_t arguments[4];
  int count = 0;
  const auto pass = [&](int what, const dnnl::memory& memory, const void* data) {
    expect(dnnl_memory_set_data_handle(memory.get(), const_cast<void*>(data)), p);
    arguments[count++] = {what, memory.get()};
  };
  pass(DNNL_ARG_SRC, built.a, p.a.data);
  pass(DNNL_ARG_WEIGHTS, built.b, p.b.data);
  pass(DNNL_ARG_DST, built.c, p.c.data);
  if (p.bias) pass(DNNL_ARG_BIAS, built.bias, p.bias.data);
  expect(dnnl_primitive_execute(built.matmul.get(), stream.get(), count, arguments), p);
  expect(dnnl_stream_wait(stream.get()), p);
}

void Gemm::State::sgemm(const Product& p, std::int64_t k) {
  if (p.bias) start_with_bias(p);
  const float beta = p.bias || p.into == Into::add ? 1.0f : 0.0f;
  const auto turned = [](Side side) { return side == Side::turned ? 'T' : 'N'; };
  const ConstMat a = p.a.as<const float>(), b = p.b.as<const float>();
  const Mat c = p.c.as<float>();
  expect(dnnl_sgemm(turned(p.a_side), turned(p.b_side), c.rows, c.cols, k, 1.0f, a.data, a.stride,
                    b.data, b.stride, beta, c.data, c.stride),
         p);
}

void Gemm::State::product(const Product& p, std::int64_t k) {
  if (p.a.precision == Precision::bf16) return half_product(p, k);
  if (wants_matmul(p, k)) return matmul(p, k);
  sgemm(p, k);
}

void Gemm::State::half_product(const Product& p, std::int64_t k) {
  if (support(Precision::bf16) == Support::widened) return widened(p, k);
  if (p.c.precision == Precision::bf16 && p.c.size() > most_in_stripe) return stripes(p, k);
  matmul(p, k);
}

/// By columns of C.
void Gemm::State::stripes(const Product& p, std::int64_t k) {
  constexpr std::int64_t step = 64;
  const std::int64_t width = std::max(step, most_in_stripe / p.c.rows / step * step);
  for (std::int64_t first = 0; first < p.c.cols; first += width) {
    const std::int64_t count = std::min(width, p.c.cols - first);
    Product part = p;
    part.c = p.c.cols_from(first, count);
    part.b = p.b_side == Side::plain ? p.b.cols_from(first, count) : p.b.rows_from(first, count);
    if (p.bias) part.bias = p.bias.part(first, count);
    matmul(part, k);
  }
}

/// The same product of float copies, by blocks of C and of the sums' terms.
void Gemm::State::widened(const Product& p, std::int64_t k) {
  const std::int64_t terms = std::min(k, most_extent);
  const std::int64_t extent = std::min(most_extent, most_in_block / terms);
  ConstMat left;
  for (std::int64_t row = 0; row < p.c.rows; row += extent)
    for (std::int64_t col = 0; col < p.c.cols; col += extent) {
      const std::int64_t rows = std::min(extent, p.c.rows - row);
      const std::int64_t cols = std::min(extent, p.c.cols - col);
      const Stored c = p.c.rows_from(row, rows).cols_from(col, cols);
      const bool is_half = c.precision == Precision::bf16;
      const Mat sums = is_half ? scratch(wide_c, rows, cols) : c.as<float>();
      if (is_half && p.into == Into::add) convert_rows(sums, ConstStored(c).as<const Bf16>());
      for (std::int64_t first = 0; first < k; first += terms) {
        const std::int64_t count = std::min(terms, k - first);
        Product part = p;
        part.c = sums;
        if (col == 0 || terms < k)  // else it is there
          left = widen(wide_a, operand_part(p.a, p.a_side, row, rows, first, count));
        part.a = left;
        part.b = widen(wide_b, operand_part(p.b, p.b_side, first, count, col, cols));
        if (p.bias) part.bias = first == 0 ? p.bias.part(col, cols) : ConstVec{};
        if (first > 0) part.into = Into::add;
        sgemm(part, count);
      }
      if (is_half) convert_rows(c.as<Bf16>(), ConstMat(sums));
    }
}

Gemm::Gemm(const Device&, Products by) : state_(std::make_unique<State>()), by_(by) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& p) {
  const std::int64_t k = checked_depth(p);
  if (p.c.rows == 0 || p.c.cols == 0) return;
  if (k == 0) return gemm_reference(p);
  state_->product(p, k);
}

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() {
  const dnnl_version_t* version = dnnl_version();
  const int threads = omp_get_max_threads();
  return fmt::format("oneDNN {}.{}.{} ({} thread{})", version->major, version->minor,
                     version->patch, threads, threads == 1 ? "" : "s");
}

Support Gemm::support(Precision precision) {
  static const bool has_half = has(dnnl_cpu_isa_avx512_core_bf16) && !is_half_slow();
  return precision == Precision::f32 || has_half ? Support::native : Support::widened;
}

}  // namespace dfascale
