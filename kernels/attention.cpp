// Causal attention, blocked over query rows: kernels/attention.hpp has the equations.
//
// For each (sequence, head), queries go in blocks of 64 rows.  A block that ends before position
// `end` meets keys 0 .. end-1 only, so its scores are a (block x end) matrix in scratch, and about
// half of T^2 is ever computed. Products read q, k and v where they lie in qkv.
#include "kernels/attention.hpp"

#include <algorithm>
#include <limits>

#include "kernels/launch.hpp"
#include "kernels/math.hpp"
#include "kernels/residual.hpp"

namespace dfascale {
namespace attention {

inline constexpr std::int64_t block_rows = 64;
inline constexpr float no_score = -std::numeric_limits<float>::infinity();

/// Columns in whole vectors of 16 floats (64 bytes): the stride of a row of scores, and how many of
/// a row are computed when `seen` of them count; those from `seen` on may hold anything.
DFASCALE_INLINE std::int64_t padded(std::int64_t seen) { return (seen + 15) / 16 * 16; }

/// One block of query rows of one (sequence, head).
struct Block {
  std::int64_t first;  ///< position of its first query
  std::int64_t count;  ///< queries in it
  std::int64_t end;    ///< first + count: keys it may see
};

Block block_at(std::int64_t index, std::int64_t context) {
  const std::int64_t first = index * block_rows, count = std::min(block_rows, context - first);
  return {first, count, first + count};
}

std::int64_t blocks(std::int64_t context) { return (context + block_rows - 1) / block_rows; }

/// The q, k and v of one (sequence, head), (T, D/H) each, inside a (B*T, 3*D) matrix.
template <class M>
struct Head {
  M q, k, v;
};

template <class M>
Head<M> head_at(const M& qkv, const AttentionShape& shape, std::int64_t sequence,
                std::int64_t head) {
  const std::int64_t size = shape.width / shape.heads;
  const M rows = qkv.rows_from(sequence * shape.context, shape.context);
  const auto third = [&](std::int64_t which) {
    return rows.cols_from(which * shape.width + head * size, size);
  };
  return {third(0), third(1), third(2)};
}

/// The columns of one (sequence, head) in a (B*T, D) matrix.
template <class M>
M part_at(const M& x, const AttentionShape& shape, std::int64_t sequence, std::int64_t head) {
  const std::int64_t size = shape.width / shape.heads;
  return x.rows_from(sequence * shape.context, shape.context).cols_from(head * size, size);
}

float score_scale(const AttentionShape& shape) {
  return 1.0f / ::sqrtf(static_cast<float>(shape.width / shape.heads));
}

/// Working space of one block: what softmax and its gradient compute in float, and what products
/// read.  In float these are the same arrays, in bf16 the latter are rounded copies.
struct Scratch {
  Mat scores;  // (count, end)
  Stored p;    // (count, end) probabilities
  Mat dp;      // (count, end)
  Stored ds;   // (count, end) gradient of scores
  Mat dk, dv;  // (T, D/H) sums over blocks; used where those in dqkv would round each term
};

constexpr std::int64_t floats_for(std::int64_t elements, Precision precision) {
  return elements * bytes_of(precision) / bytes_of(Precision::f32);
}

Scratch scratch_at(float* data, const Block& block, const AttentionShape& shape,
                   Precision precision) {
  const std::int64_t stride = padded(shape.context), size = block_rows * stride;
  const Mat first(data, block.count, block.end, stride);
  const Mat second(data + size, block.count, block.end, stride);
  if (precision == Precision::f32) return {first, first, second, second, {}, {}};
  const auto rounded = [&](float* at) {
    return Stored(at, block.count, block.end, stride, precision);
  };
  const std::int64_t width = shape.width / shape.heads;
  float* sums = data + 2 * size;
  // dp is wanted when the scores are not any more.
  return {first,
          rounded(second.data),
          first,
          rounded(second.data + floats_for(size, precision)),
          Mat(sums, shape.context, width),
          Mat(sums + shape.context * width, shape.context, width)};
}

/// scores (count, end) = scaled q k^T of the block.
void score(Gemm& gemm, Mat scores, const Head<ConstStored>& head, const Block& block, float scale) {
  gemm({.c = scores,
        .a = head.q.rows_from(block.first, block.count),
        .b = head.k.rows_from(0, block.end),
        .b_side = Side::turned,
        .alpha = scale});
}

/// Row r of p becomes the softmax of scores over the first block.first + r + 1 columns, 0 after
/// them.  Overwrites scores; p may be the same array.
template <class T>
void softmax(const Device& on, Matrix<T> p, Mat scores, const Block& block) {
  const int before = static_cast<int>(block.first) + 1;
  rows(
      "softmax", on, scores.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const int seen = before + static_cast<int>(r);  // int, as columns: compared in vectors
        const std::int64_t width = padded(seen);
        const float largest =
            row_max(row, width, [&](int c) { return c < seen ? scores(r, c) : no_score; });
        const float sum = row_sum(row, width, [&](int c) {
          const float e = c < seen ? math::exp_of_negative(scores(r, c) - largest) : 0.0f;
          scores(r, c) = e;
          return e;
        });
        const float inverse = 1.0f / sum;
        row_each(row, width, [&](int c) { p(r, c) = scores(r, c) * inverse; });
        row_each(row, p.cols - width, [&](int c) { p(r, width + c) = 0.0f; });
      });
}

/// dp: gradient of the probabilities p -> ds: gradient of the scores before scaling,
/// ds = p * (dp - delta) * scale, delta = sum of p * dp over the row.  Summing what is multiplied,
/// instead of the equal dout . out, lets the rounding of p cancel: gradients of queries and keys
/// come out about ten times closer.  ds and dp may be the same array.
template <class T>
void softmax_backward(const Device& on, Matrix<T> ds, Matrix<const T> p, ConstMat dp,
                      const Block& block, float scale) {
  const int before = static_cast<int>(block.first) + 1;
  rows(
      "softmax_back", on, p.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index;
        const int seen = before + static_cast<int>(r);  // int, as columns: compared in vectors
        const std::int64_t width = padded(seen);
        const float delta =
            row_sum(row, width, [&](int c) { return c < seen ? p(r, c) * dp(r, c) : 0.0f; });
        row_each(row, width,
                 [&](int c) { ds(r, c) = c < seen ? p(r, c) * (dp(r, c) - delta) * scale : 0.0f; });
        row_each(row, p.cols - width, [&](int c) { ds(r, width + c) = 0.0f; });
      });
}

void softmax(const Device& on, const Scratch& scratch, const Block& block) {
  with_type(scratch.p.precision,
            [&]<class T>(T) { softmax<T>(on, scratch.p.as<T>(), scratch.scores, block); });
}

void softmax_backward(const Device& on, const Scratch& scratch, const Block& block, float scale) {
  with_type(scratch.p.precision, [&]<class T>(T) {
    softmax_backward<T>(on, scratch.ds.as<T>(), ConstStored(scratch.p).as<const T>(), scratch.dp,
                        block, scale);
  });
}

/// Adds one block's part to the gradients of its head; dq of the block is complete.
void learn_block(const Device& on, Gemm& gemm, const Head<Stored>& d, const Head<ConstStored>& head,
                 ConstStored dout, const Block& block, Into into, float scale,
                 const Scratch& scratch) {
  const ConstStored keys = head.k.rows_from(0, block.end), values = head.v.rows_from(0, block.end);
  const ConstStored dout_block = dout.rows_from(block.first, block.count);
  score(gemm, scratch.scores, head, block, scale);
  softmax(on, scratch, block);
  gemm({.c = scratch.dp, .a = dout_block, .b = values, .b_side = Side::turned});
  softmax_backward(on, scratch, block, scale);
  gemm({.c = d.v.rows_from(0, block.end),
        .a = scratch.p,
        .a_side = Side::turned,
        .b = dout_block,
        .into = into});
  gemm({.c = d.k.rows_from(0, block.end),
        .a = scratch.ds,
        .a_side = Side::turned,
        .b = head.q.rows_from(block.first, block.count),
        .into = into});
  gemm({.c = d.q.rows_from(block.first, block.count), .a = scratch.ds, .b = keys});
}

/// Gradients of one head, complete.
void learn_head(const Device& on, Gemm& gemm, const Head<Stored>& d, const Head<ConstStored>& head,
                ConstStored dout, const AttentionShape& shape, Vec scratch) {
  const std::int64_t context = shape.context;
  const Precision precision = dout.precision;
  // The last block meets all keys: it goes first and overwrites dk and dv, the others add.
  for (std::int64_t k = blocks(context) - 1; k >= 0; --k) {
    const Block block = block_at(k, context);
    const Scratch own = scratch_at(scratch.data, block, shape, precision);
    const Head<Stored> sums = precision == Precision::f32 ? d : Head<Stored>{d.q, own.dk, own.dv};
    learn_block(on, gemm, sums, head, dout, block,
                block.end == context ? Into::overwrite : Into::add, score_scale(shape), own);
    if (k > 0 || precision == Precision::f32) continue;
    convert(on, d.k, own.dk);
    convert(on, d.v, own.dv);
  }
}

}  // namespace attention

using namespace attention;

std::int64_t attention_scratch(const AttentionShape& shape, Precision precision) {
  const std::int64_t of_blocks = 2 * block_rows * padded(shape.context);
  const std::int64_t of_sums = 2 * shape.context * (shape.width / shape.heads);
  return precision == Precision::f32 ? of_blocks : of_blocks + of_sums;
}

void attention_forward(const Device& on, Gemm& gemm, Stored out, ConstStored qkv,
                       const AttentionShape& shape, Vec scratch) {
  const float scale = score_scale(shape);
  for (std::int64_t i = 0; i < shape.sequences * shape.heads; ++i) {
    const std::int64_t sequence = i / shape.heads, h = i % shape.heads;
    const Head<ConstStored> head = head_at(qkv, shape, sequence, h);
    const Stored out_of_head = part_at(out, shape, sequence, h);
    for (std::int64_t k = 0; k < blocks(shape.context); ++k) {
      const Block block = block_at(k, shape.context);
      const Scratch own = scratch_at(scratch.data, block, shape, qkv.precision);
      score(gemm, own.scores, head, block, scale);
      softmax(on, own, block);
      gemm({.c = out_of_head.rows_from(block.first, block.count),
            .a = own.p,
            .b = head.v.rows_from(0, block.end)});
    }
  }
}

void attention_backward(const Device& on, Gemm& gemm, Stored dqkv, ConstStored dout,
                        ConstStored qkv, const AttentionShape& shape, Vec scratch) {
  for (std::int64_t i = 0; i < shape.sequences * shape.heads; ++i) {
    const std::int64_t sequence = i / shape.heads, h = i % shape.heads;
    learn_head(on, gemm, head_at(dqkv, shape, sequence, h), head_at(qkv, shape, sequence, h),
               part_at(dout, shape, sequence, h), shape, scratch);
  }
}

}  // namespace dfascale
