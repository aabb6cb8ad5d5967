// Matrix products by oneDNN, versions 2.6 and 3.x, on the calling rank's threads.
//
// Two routes, chosen by a rule that looks at the product only, so that a run always repeats the
// same arithmetic: dnnl_sgemm, which needs no set-up, and the matmul primitive, built once per
// shape and kept.
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemm_shape.hpp"

namespace dfascale {
namespace {

/// What a matmul primitive is built for.
struct Key {
  std::int64_t m, n, k, a_stride, b_stride, c_stride;
  Side a_side, b_side;
  Into into;
  bool bias;

  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t h = 0;
    for (const std::int64_t part :
         {key.m, key.n, key.k, key.a_stride, key.b_stride, key.c_stride,
          std::int64_t{8} * (key.a_side == Side::turned) + 4 * (key.b_side == Side::turned) +
              2 * (key.into == Into::add) + key.bias}) {
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

dnnl::memory::desc layout(std::int64_t rows, std::int64_t cols, std::int64_t stride, Side side) {
  const auto strides =
      side == Side::plain ? dnnl::memory::dims{stride, 1} : dnnl::memory::dims{1, stride};
  return {{rows, cols}, dnnl::memory::data_type::f32, strides};
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
  const dnnl::memory::desc a = layout(key.m, key.k, key.a_stride, key.a_side);
  const dnnl::memory::desc b = layout(key.k, key.n, key.b_stride, key.b_side);
  const dnnl::memory::desc c = layout(key.m, key.n, key.c_stride, Side::plain);
  const dnnl::memory::desc bias =
      key.bias ? layout(1, key.n, key.n, Side::plain) : dnnl::memory::desc();
  dnnl::primitive_attr attr;
  if (key.into == Into::add) {
    dnnl::post_ops add;
    add.append_sum(1.0f);
    attr.set_post_ops(add);
  }
  const auto at = [&](const dnnl::memory::desc& d) { return dnnl::memory(d, engine, nullptr); };
  return {dnnl::matmul(describe_matmul(engine, a, b, bias, c, attr)), at(a), at(b), at(c),
          key.bias ? at(bias) : dnnl::memory()};
}

/// Which route is faster, from measurements on one core of Zen 5 over the shapes of the paper's
/// ladder: matmul (2 to 10 %) for narrow results with short sums, sgemm for the rest, weight
/// gradients (A turned) above all.
bool wants_matmul(const Product& p, std::int64_t k) {
  constexpr std::int64_t narrow = 1024, short_sum = 4096, short_turned_sum = 1024;
  return p.alpha == 1.0f && p.a_side == Side::plain && p.c.cols <= narrow &&
         k <= (p.b_side == Side::plain ? short_sum : short_turned_sum);
}

/// C = bias or C += bias on every row: what dnnl_sgemm then adds to.
void start_with_bias(const Product& p) {
  for (std::int64_t r = 0; r < p.c.rows; ++r) {
    for (std::int64_t c = 0; c < p.c.cols; ++c) {
      p.c(r, c) = p.bias(c) + (p.into == Into::add ? p.c(r, c) : 0.0f);
    }
  }
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

  Primitive& primitive(const Product& p, std::int64_t k);
  void matmul(const Product& p, std::int64_t k);
};

Primitive& Gemm::State::primitive(const Product& p, std::int64_t k) {
  const Key key{p.c.rows,   p.c.cols, k,        p.a.stride, p.b.stride,
                p.c.stride, p.a_side, p.b_side, p.into,     static_cast<bool>(p.bias)};
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
  const auto pass = [&](int what, const dnnl::memory& memory, const float* data) {
    expect(dnnl_memory_set_data_handle(memory.get(), const_cast<float*>(data)), p);
    arguments[count++] = {what, memory.get()};
  };
  pass(DNNL_ARG_SRC, built.a, p.a.data);
  pass(DNNL_ARG_WEIGHTS, built.b, p.b.data);
  pass(DNNL_ARG_DST, built.c, p.c.data);
  if (p.bias) pass(DNNL_ARG_BIAS, built.bias, p.bias.data);
  expect(dnnl_primitive_execute(built.matmul.get(), stream.get(), count, arguments), p);
  expect(dnnl_stream_wait(stream.get()), p);
}

Gemm::Gemm(const Device&) : state_(std::make_unique<State>()) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& p) {
  const std::int64_t k = checked_depth(p);
  if (p.c.rows == 0 || p.c.cols == 0) return;
  if (k == 0) return gemm_reference(p);
  if (wants_matmul(p, k)) return state_->matmul(p, k);
  if (p.bias) start_with_bias(p);
  const float beta = p.bias || p.into == Into::add ? 1.0f : 0.0f;
  const auto turned = [](Side side) { return side == Side::turned ? 'T' : 'N'; };
  expect(dnnl_sgemm(turned(p.a_side), turned(p.b_side), p.c.rows, p.c.cols, k, p.alpha, p.a.data,
                    p.a.stride, p.b.data, p.b.stride, beta, p.c.data, p.c.stride),
         p);
}

std::int64_t Gemm::workspace_bytes() { return 0; }

std::string Gemm::library() {
  const dnnl_version_t* version = dnnl_version();
  const int threads = omp_get_max_threads();
  return fmt::format("oneDNN {}.{}.{} ({} thread{})", version->major, version->minor,
                     version->patch, threads, threads == 1 ? "" : "s");
}

}  // namespace dfascale
