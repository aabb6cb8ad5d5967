// Embedding look-up and its gradient: kernels/embed.hpp has the equations.
#include "kernels/embed.hpp"

#include "kernels/launch.hpp"

namespace dfascale {

void embed_forward(const Device& on, Mat x, Tokens inputs, ConstMat token_embedding,
                   ConstMat position_embedding) {
  const std::int64_t context = position_embedding.rows;
  rows(
      "embed_forward", on, x.rows, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t r = row.index, token = inputs(r), t = r % context;
        row_each(row, x.cols,
                 [&](int c) { x(r, c) = token_embedding(token, c) + position_embedding(t, c); });
      });
}

// Counting sort.  `count` first holds how often a token occurs, then where its next place goes.
std::int64_t group_tokens(Tokens inputs, Vector<std::int32_t> places, Vector<std::int32_t> start,
                          Vector<std::int32_t> count) {
  for (std::int64_t v = 0; v < count.size; ++v) count(v) = 0;
  for (std::int64_t i = 0; i < inputs.size; ++i) ++count(inputs(i));
  std::int64_t runs = 0;
  std::int32_t next = 0;
  for (std::int64_t v = 0; v < count.size; ++v) {
    const std::int32_t occurrences = count(v);
    if (occurrences > 0) start(runs++) = next;
    count(v) = next;
    next += occurrences;
  }
  start(runs) = next;
  for (std::int64_t i = 0; i < inputs.size; ++i) {
    places(count(inputs(i))++) = static_cast<std::int32_t>(i);
  }
  return runs;
}

namespace embed {

template <class T>
void token_backward(const Device& on, Mat dtoken, Matrix<const T> dx, Tokens inputs,
                    const TokenRuns& runs) {
  const Tokens places = runs.places, start = runs.start;
  rows(
      "token_backward", on, runs.runs, DFASCALE_KERNEL(const Row& row) {
        const std::int32_t first = start(row.index), last = start(row.index + 1);
        const std::int64_t token = inputs(places(first));
        for (std::int32_t k = first; k < last; ++k) {
          const std::int64_t place = places(k);
          row_each(row, dx.cols, [&](int c) { dtoken(token, c) += dx(place, c); });
        }
      });
}

template <class T>
void position_backward(const Device& on, Mat dposition, Matrix<const T> dx) {
  const std::int64_t context = dposition.rows, sequences = dx.rows / context;
  rows(
      "position_back", on, context, DFASCALE_KERNEL(const Row& row) {
        const std::int64_t t = row.index;
        for (std::int64_t b = 0; b < sequences; ++b) {
          row_each(row, dx.cols, [&](int c) { dposition(t, c) += dx(b * context + t, c); });
        }
      });
}

}  // namespace embed

void token_embedding_backward(const Device& on, Mat dtoken, ConstStored dx, Tokens inputs,
                              const TokenRuns& runs) {
  with_type(dx.precision, [&]<class T>(T) {
    embed::token_backward<T>(on, dtoken, dx.as<const T>(), inputs, runs);
  });
}

void position_embedding_backward(const Device& on, Mat dposition, ConstStored dx) {
  with_type(dx.precision,
            [&]<class T>(T) { embed::position_backward<T>(on, dposition, dx.as<const T>()); });
}

}  // namespace dfascale
