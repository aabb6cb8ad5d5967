// The GPU's attention, its own text, on the host: threads of a block one after the other, phase by
// phase (tests/support/host_team.hpp).
#include "kernels/cuda/flash_blocks.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/oracle/attention.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/host_team.hpp"

namespace dfascale::test {
namespace {

using flash::Problem;

/// What is not written by the text must not be right by chance.
template <class Shared>
std::unique_ptr<Shared> fresh_shared() {
  auto shared = std::make_unique<Shared>();
  auto* numbers = reinterpret_cast<float*>(shared.get());
  std::fill_n(numbers, sizeof(Shared) / sizeof(float), NAN);
  return shared;
}

template <class Shared, class Mine, class Block>
void for_blocks(std::int64_t blocks, Order order, const Block& run) {
  for (std::int64_t block = 0; block < blocks; ++block) {
    HostTeam<Mine> team(flash::threads, order);
    run(team, *fresh_shared<Shared>(), block);
  }
}

template <class Sizes, class T>
void run_forward(const Problem<T>& p, Order order) {
  using S = typename Sizes::Forward;
  for_blocks<flash::ForwardShared<S>, flash::ForwardMine<S>>(
      flash::blocks(p.shape, S::queries), order, [&](auto& team, auto& shared, std::int64_t block) {
        flash::forward_block<S>(team, shared, p, block);
      });
}

template <class Sizes, class T>
void run_backward(const Problem<T>& p, Order order) {
  using Q = typename Sizes::Queries;
  using K = typename Sizes::Keys;
  for_blocks<flash::QueryShared<Q>, flash::QueryMine<Q>>(
      flash::blocks(p.shape, Q::queries), order, [&](auto& team, auto& shared, std::int64_t block) {
        flash::queries_block<Q>(team, shared, p, block);
      });
  for_blocks<flash::KeyShared<K>, flash::KeyMine<K>>(
      flash::blocks(p.shape, K::keys), order, [&](auto& team, auto& shared, std::int64_t block) {
        flash::keys_block<K>(team, shared, p, block);
      });
}

class Flash : public testing::TestWithParam<AttentionShape> {
 protected:
  /// out, and dqkv, of arrays that store T.
  template <class T, class Array2d>
  std::pair<oracle::Dense, oracle::Dense> results(Order order) const {
    const Array2d device_qkv(qkv, 3), device_dout(dout, 1);
    const Array2d out(oracle::Dense(rows, s.width, oracle::Values(rows * s.width, NAN)), 2);
    const Array2d dqkv(oracle::Dense(rows, 3 * s.width, oracle::Values(rows * 3 * s.width, NAN)),
                       5);
    const Array<float> kept(std::vector<float>(flash::kept_floats(s), NAN));
    flash::for_sizes(s, [&](auto sizes) {
      const Matrix<const T> in = ConstStored(device_qkv.view()).template as<const T>();
      const Matrix<const T> upper = ConstStored(device_dout.view()).template as<const T>();
      run_forward<decltype(sizes), T>({s, in, {}, Stored(out.mat()).template as<T>(), {}}, order);
      run_backward<decltype(sizes), T>(
          {s, in, upper, Stored(dqkv.mat()).template as<T>(), kept.vec()}, order);
    });
    return {out.host(), dqkv.host()};
  }

  const AttentionShape s = GetParam();
  const std::int64_t rows = s.sequences * s.context;
  const oracle::Dense qkv = random_dense(rows, 3 * s.width, 1);
  const oracle::Dense dout = random_dense(rows, s.width, 2);
};

// Tiles that are full or not, one and several; heads of all three widths, odd ones among them.
INSTANTIATE_TEST_SUITE_P(
    Shapes, Flash,
    testing::Values(AttentionShape{1, 1, 1, 1}, AttentionShape{2, 5, 6, 2},
                    AttentionShape{2, 33, 24, 3}, AttentionShape{1, 64, 64, 1},
                    AttentionShape{1, 150, 128, 2}, AttentionShape{1, 129, 100, 1},
                    AttentionShape{2, 64, 128, 1}, AttentionShape{1, 70, 256, 1},
                    AttentionShape{1, 35, 260, 2}, AttentionShape{0, 4, 4, 1}));

/// As in test_attention.cpp.
double tolerance(const AttentionShape& s) {
  return 2 * sum_tolerance(s.context + s.width / s.heads);
}

TEST_P(Flash, EqualsTheOracle) {
  const auto [out, dqkv] = results<float, Grid>(Order::up);
  expect_close(out.values, oracle::attention_forward(qkv, s).out.values, tolerance(s), "out");
  expect_close(dqkv.values, oracle::attention_backward(dout, qkv, s).values, tolerance(s), "dqkv",
               eps);
}

// Only results are rounded: what is between stays in float, unlike on hosts, so one rounding.
TEST_P(Flash, HalfPrecisionIsRoundedOnce) {
  const oracle::Dense qkv_half = rounded(qkv), dout_half = rounded(dout);
  const auto [out, dqkv] = results<Bf16, HalfGrid>(Order::up);
  const double allowed = 0x1p-8 + tolerance(s);
  expect_close(out.values, oracle::attention_forward(qkv_half, s).out.values, allowed, "out");
  expect_close(dqkv.values, oracle::attention_backward(dout_half, qkv_half, s).values, allowed,
               "dqkv", eps);
}

// A thread that reads in a phase what another one writes in it would notice who comes first.
TEST_P(Flash, ThreadsDoNotDependOnEachOtherWithinAPhase) {
  const auto up = results<float, Grid>(Order::up), down = results<float, Grid>(Order::down);
  EXPECT_EQ(up.first.values, down.first.values);
  EXPECT_EQ(up.second.values, down.second.values);
}

/// One query and key, of a head of one.
oracle::Dense forward_of(oracle::Dense qkv) {
  const AttentionShape s{1, qkv.rows, 1, 1};
  const Grid device_qkv(qkv, 0), out(oracle::Dense(qkv.rows, 1), 0);
  run_forward<flash::Sizes64, float>({s, device_qkv.view(), {}, out.mat(), {}}, Order::up);
  return out.host();
}

TEST(FlashNumbers, NonFiniteInputsShowAndOnlyLater) {
  for (const float bad : {NAN, INFINITY}) {
    oracle::Dense qkv = random_dense(100, 3, 1);
    qkv(70, 0) = 1;    // against a negative query an infinite key would get no probability
    qkv(70, 1) = bad;  // a key of the second tile
    const oracle::Dense out = forward_of(qkv);
    for (std::int64_t t = 0; t < 70; ++t) EXPECT_TRUE(std::isfinite(out(t, 0))) << t;
    EXPECT_FALSE(std::isfinite(out(70, 0)));
  }
}

TEST(FlashNumbers, LargeScoresDoNotOverflow) {
  oracle::Dense qkv(80, 3, oracle::Values(240, 0.0));
  for (std::int64_t t = 0; t < 80; ++t) {
    qkv(t, 0) = 1e4;
    qkv(t, 1) = static_cast<double>(t);  // each key takes all of the probability
    qkv(t, 2) = static_cast<double>(t);
  }
  const oracle::Dense out = forward_of(qkv);
  for (std::int64_t t = 0; t < 80; ++t) EXPECT_EQ(out(t, 0), static_cast<double>(t));
}

// What a block of threads can have on the smallest cards.
TEST(FlashSizes, SharedMemoryIsEnough) {
  static constexpr std::size_t most = 99 << 10;
  const auto check = [](auto sizes) {
    using S = decltype(sizes);
    EXPECT_LE(sizeof(flash::ForwardShared<typename S::Forward>), most);
    EXPECT_LE(sizeof(flash::QueryShared<typename S::Queries>), most);
    EXPECT_LE(sizeof(flash::KeyShared<typename S::Keys>), most);
  };
  check(flash::Sizes64{});
  check(flash::Sizes128{});
  check(flash::Sizes256{});
}

TEST(FlashSizes, WiderHeadsAreRefused) {
  EXPECT_EQ(attention_scratch({2, 5, 512, 2}), 3 * 2 * 2 * 5);
  expect_error(Exit::usage, {"heads of 257 columns", "model.heads = 1", "at most 256"}, [] {
    attention_scratch({1, 5, 257, 1});
  });
}

}  // namespace
}  // namespace dfascale::test
