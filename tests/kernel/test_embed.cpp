#include "kernels/embed.hpp"
#include "tests/kernel/arrays.hpp"

namespace dfascale::test {
namespace {

struct Case {
  std::int64_t sequences, context, width, vocab, gap;
};

class Embed : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Embed,
                         testing::Values(Case{1, 1, 1, 1, 0}, Case{3, 17, 5, 4, 1},
                                         Case{2, 64, 100, 1000, 0}, Case{5, 3, 576, 7, 8},
                                         Case{0, 3, 4, 5, 0}));

TEST_P(Embed, ForwardEqualsTheOracle) {
  const auto [sequences, context, width, vocab, gap] = GetParam();
  const std::vector<std::int32_t> tokens = random_tokens(sequences * context, vocab, 1);
  const oracle::Dense token = random_dense(vocab, width, 2),
                      position = random_dense(context, width, 3);
  oracle::Dense wanted(sequences * context, width);
  for (std::int64_t r = 0; r < wanted.rows; ++r) {
    for (std::int64_t c = 0; c < width; ++c)
      wanted(r, c) = token(tokens[r], c) + position(r % context, c);
  }
  const Array<std::int32_t> inputs(tokens);
  const Grid x(oracle::Dense(wanted.rows, width), gap), device_token(token, gap),
      device_position(position, 0);
  embed_forward(on, x.mat(), inputs.view(), device_token.view(), device_position.view());
  expect_close(x.host().values, wanted.values, eps, "x");
}

/// The runs of `tokens`, on the device.
struct Runs {
  Runs(const std::vector<std::int32_t>& tokens, std::int64_t vocab)
      : host_places(tokens.size()),
        host_start(tokens.size() + 1),
        count(vocab),
        runs(group_tokens({tokens.data(), std::int64_t(tokens.size())},
                          {host_places.data(), std::int64_t(tokens.size())},
                          {host_start.data(), std::int64_t(tokens.size()) + 1},
                          {count.data(), vocab})),
        places(host_places),
        start(host_start) {}

  std::vector<std::int32_t> host_places, host_start, count;
  std::int64_t runs;
  Array<std::int32_t> places, start;
};

TEST_P(Embed, BackwardAddsTheOracle) {
  const auto [sequences, context, width, vocab, gap] = GetParam();
  const std::vector<std::int32_t> tokens = random_tokens(sequences * context, vocab, 1);
  const oracle::Dense dx = random_dense(sequences * context, width, 2);
  oracle::Dense dtoken = random_dense(vocab, width, 3), dposition = random_dense(context, width, 4);
  const Grid device_dx(dx, gap), device_dtoken(dtoken, gap), device_dposition(dposition, 0);
  const Runs runs(tokens, vocab);
  const Array<std::int32_t> inputs(tokens);
  token_embedding_backward(on, device_dtoken.mat(), device_dx.view(), inputs.view(),
                           {runs.places.view(), runs.start.view(), runs.runs});
  position_embedding_backward(on, device_dposition.mat(), device_dx.view());
  for (std::int64_t r = 0; r < dx.rows; ++r) {
    for (std::int64_t c = 0; c < width; ++c) {
      dtoken(tokens[r], c) += dx(r, c);
      dposition(r % context, c) += dx(r, c);
    }
  }
  expect_close(device_dtoken.host().values, dtoken.values, sum_tolerance(dx.rows), "dtoken");
  expect_close(device_dposition.host().values, dposition.values, sum_tolerance(sequences),
               "dposition");
}

TEST(GroupTokens, RunsAreSortedAndStable) {
  const Runs runs({5, 2, 5, 0, 2, 5}, 9);
  EXPECT_EQ(runs.runs, 3);
  EXPECT_EQ(runs.host_places, (std::vector<std::int32_t>{3, 1, 4, 0, 2, 5}));
  EXPECT_EQ(runs.host_start[0], 0);
  EXPECT_EQ(runs.host_start[1], 1);
  EXPECT_EQ(runs.host_start[2], 3);
  EXPECT_EQ(runs.host_start[3], 6);
}

}  // namespace
}  // namespace dfascale::test
