// Causal attention, blocked over query rows: kernels/attention.hpp has the equations.
//
// For each (sequence, head), queries go in blocks of 64 rows.  A block that ends before position
// `end` meets keys 0 .. end-1 only, so its scores are a (block x end) matrix in scratch, and about
// half of T^2 is ever computed. Products read q, k and v where they lie in qkv.
#include "kernels/attention.hpp"

#include <algorithm>

#include "kernels/launch.hpp"
#include "kernels/math.hpp"

namespace dfascale {
namespace attention {

inline constexpr std::int64_t block_rows = 64;

/// Stride of a row of scores: a multiple of 16 floats (64 bytes).
std::int64_t score_stride(std::int64_t context) { return (context + 15) / 16 * 16; }

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
ConstMat part_at(ConstMat x, const AttentionShape& shape, std::int64_t sequence,
                 std::int64_t head) {
  const std::int64_t size = shape.width / shape.heads;
  return x.rows_from(sequence * shape.context, shape.context).cols_from(head * size, size);
}

float score_scale(const AttentionShape& shape) {
  return 1.0f / ::sqrtf(static_cast<float>(shape.width / shape.heads));
}

/// scores (count, end) = scaled q k^T of the block.
void score(Gemm& gemm, Mat scores, const Head<ConstMat>& head, const Block& block, float scale) {
  gemm({.c = scores,
        .a = head.q.rows_from(block.first, block.count),
        .b = head.k.rows_from(0, block.end),
        .b_side = Side::turned,
        .alpha = scale});
}

/// Row r of scores becomes its softmax over the first block.first + r + 1 columns, 0 after them.
void softmax(const Device& on, Mat scores, const Block& block) {
  const std::int64_t before = block.first + 1;
  rows(
      "softmax", on, scores.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index, seen = before + r;
        const float largest = row_max(row, seen, [&](int c) { return scores(r, c); });
        const float sum = row_sum(row, seen, [&](int c) {
          const float e = math::exp(scores(r, c) - largest);
          scores(r, c) = e;
          return e;
        });
        const float inverse = 1.0f / sum;
        row_each(row, seen, [&](int c) { scores(r, c) *= inverse; });
        row_each(row, scores.cols - seen, [&](int c) { scores(r, seen + c) = 0.0f; });
      });
}

/// dp: gradient of the probabilities p -> gradient of the scores before scaling,
/// ds = p * (dp - delta) * scale, delta = sum of p * dp over the row.  Summing what is multiplied,
/// instead of the equal dout . out, lets the rounding of p cancel: gradients of queries and keys
/// come out about ten times closer.
void softmax_backward(const Device& on, Mat dp, ConstMat p, const Block& block, float scale) {
  const std::int64_t before = block.first + 1;
  rows(
      "softmax_back", on, p.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index, seen = before + r;
        const float delta = row_sum(row, seen, [&](int c) { return p(r, c) * dp(r, c); });
        row_each(row, seen, [&](int c) { dp(r, c) = p(r, c) * (dp(r, c) - delta) * scale; });
        row_each(row, p.cols - seen, [&](int c) { dp(r, seen + c) = 0.0f; });
      });
}

/// Adds one block's part to the gradients of its head; dq of the block is complete.
void learn_block(const Device& on, Gemm& gemm, const Head<Mat>& d, const Head<ConstMat>& head,
                 ConstMat dout, const Block& block, Into into, float scale, Mat p, Mat dp) {
  const ConstMat keys = head.k.rows_from(0, block.end), values = head.v.rows_from(0, block.end);
  const ConstMat dout_block = dout.rows_from(block.first, block.count);
  score(gemm, p, head, block, scale);
  gemm({.c = dp, .a = dout_block, .b = values, .b_side = Side::turned});
  softmax(on, p, block);
  softmax_backward(on, dp, p, block, scale);
  gemm({.c = d.v.rows_from(0, block.end),
        .a = p,
        .a_side = Side::turned,
        .b = dout_block,
        .into = into});
  gemm({.c = d.k.rows_from(0, block.end),
        .a = dp,
        .a_side = Side::turned,
        .b = head.q.rows_from(block.first, block.count),
        .into = into});
  gemm({.c = d.q.rows_from(block.first, block.count), .a = dp, .b = keys});
}

}  // namespace attention

using namespace attention;

std::int64_t attention_scratch(const AttentionShape& shape) {
  return 2 * block_rows * score_stride(shape.context);
}

void attention_forward(const Device& on, Gemm& gemm, Mat out, ConstMat qkv,
                       const AttentionShape& shape, Vec scratch) {
  const std::int64_t context = shape.context, size = shape.width / shape.heads;
  const float scale = score_scale(shape);
  for (std::int64_t i = 0; i < shape.sequences * shape.heads; ++i) {
    const std::int64_t sequence = i / shape.heads, h = i % shape.heads;
    const Head<ConstMat> head = head_at(qkv, shape, sequence, h);
    for (std::int64_t k = 0; k < blocks(context); ++k) {
      const Block block = block_at(k, context);
      const Mat p(scratch.data, block.count, block.end, score_stride(context));
      score(gemm, p, head, block, scale);
      softmax(on, p, block);
      gemm({.c = out.rows_from(sequence * context + block.first, block.count)
                     .cols_from(h * size, size),
            .a = p,
            .b = head.v.rows_from(0, block.end)});
    }
  }
}

void attention_backward(const Device& on, Gemm& gemm, Mat dqkv, ConstMat dout, ConstMat qkv,
                        const AttentionShape& shape, Vec scratch) {
  const std::int64_t context = shape.context, stride = score_stride(context);
  const float scale = score_scale(shape);
  for (std::int64_t i = 0; i < shape.sequences * shape.heads; ++i) {
    const std::int64_t sequence = i / shape.heads, h = i % shape.heads;
    const Head<Mat> d = head_at(dqkv, shape, sequence, h);
    const Head<ConstMat> head = head_at(qkv, shape, sequence, h);
    // The last block meets all keys: it goes first and overwrites dk and dv, the others add.
    for (std::int64_t k = blocks(context) - 1; k >= 0; --k) {
      const Block block = block_at(k, context);
      const Into into = block.end == context ? Into::overwrite : Into::add;
      learn_block(on, gemm, d, head, part_at(dout, shape, sequence, h), block, into, scale,
                  Mat(scratch.data, block.count, block.end, stride),
                  Mat(scratch.data + block_rows * stride, block.count, block.end, stride));
    }
  }
}

}  // namespace dfascale
