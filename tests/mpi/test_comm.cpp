// Messages between ranks: every rank count gives the same sums, texts and bytes.
#include <gtest/gtest.h>

#include <numeric>

#include "comm/session.hpp"

namespace dfascale {
namespace {

const Session* session = nullptr;

std::string nothing() { return "a test waits"; }

void sum_over_ranks(const Comm& comm, std::vector<float>& values) {
  comm.wait(comm.start_all_reduce_sum(values), nothing);
}

TEST(Comm, RanksAreNumbered) {
  const Comm& comm = session->comm();
  EXPECT_GE(comm.rank(), 0);
  EXPECT_LT(comm.rank(), comm.size());
  EXPECT_EQ(comm.local_rank(), comm.rank());  // the test's ranks share a node
  EXPECT_EQ(own_rank(), comm.rank());
  EXPECT_EQ(ranks_are_joined(), comm.size() > 1);
  EXPECT_EQ(comm.sum(std::int64_t{comm.rank()}), comm.size() * (comm.size() - 1) / 2);
}

// One element, a part of a bucket, several buckets and a rest (a bucket is 4 Mi floats).
TEST(Comm, SumsFloatsOverAllRanks) {
  const Comm& comm = session->comm();
  for (const std::int64_t count : {0L, 1L, 1000L, (9L << 20) + 7}) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((comm.rank() + 1) * static_cast<int>(i % 1000));
    }
    sum_over_ranks(comm, values);
    const int ranks = comm.size() * (comm.size() + 1) / 2;
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], static_cast<float>(ranks * static_cast<int>(i % 1000))) << i;
    }
  }
}

// Sums that round: the same bits every time, and on every rank.
TEST(Comm, SumsAreDeterministic) {
  const Comm& comm = session->comm();
  std::vector<float> first;
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<float> values(100003);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 1.0f / static_cast<float>(i + 1 + 17 * static_cast<std::size_t>(comm.rank()));
    }
    sum_over_ranks(comm, values);
    if (repeat == 0) first = values;
    EXPECT_EQ(values, first);
  }
  std::vector<float> of_rank_0 = first;
  comm.broadcast(of_rank_0.data(), static_cast<std::int64_t>(of_rank_0.size() * sizeof(float)));
  EXPECT_EQ(of_rank_0, first);
}

TEST(Comm, ReducesSingleValues) {
  const Comm& comm = session->comm();
  const int last = comm.size() - 1;
  std::vector<double> values = {1.0 * comm.rank(), 0.5};
  comm.sum_in_order(values);
  EXPECT_EQ(values[0], 0.5 * last * comm.size());
  EXPECT_EQ(values[1], 0.5 * comm.size());
  EXPECT_EQ(comm.max(std::int64_t{1} << (40 + comm.rank())), std::int64_t{1} << (40 + last));
  EXPECT_EQ(comm.min(std::int64_t{1} << (40 + comm.rank())), std::int64_t{1} << 40);
  EXPECT_EQ(comm.max(-0.5 * comm.rank()), 0.0);
  EXPECT_EQ(comm.min(-0.5 * comm.rank()), -0.5 * last);
  EXPECT_EQ(comm.sum(0.25), 0.25 * comm.size());
}

TEST(Comm, SumsToOneRank) {
  const Comm& comm = session->comm();
  const int root = comm.size() - 1;
  std::vector<float> values(1000, 1.0f + static_cast<float>(comm.rank()));
  const std::vector<float> own = values;
  comm.wait(comm.start_reduce_sum(values, root), nothing);
  const auto sum = static_cast<float>(comm.size() * (comm.size() + 1) / 2);
  if (comm.rank() == root) EXPECT_EQ(values, std::vector<float>(1000, sum));
  else EXPECT_EQ(values, own);
}

// Parts of different sizes, one of them empty.
TEST(Comm, GathersPartsToAll) {
  const Comm& comm = session->comm();
  std::vector<std::int64_t> cuts = {0};
  for (int rank = 0; rank < comm.size(); ++rank) cuts.push_back(cuts.back() + 5 * rank);
  std::vector<float> values(static_cast<std::size_t>(cuts.back()), -1.0f);
  const auto here = static_cast<std::size_t>(comm.rank());
  for (std::int64_t i = cuts[here]; i < cuts[here + 1]; ++i)
    values[static_cast<std::size_t>(i)] = static_cast<float>(i);
  comm.wait(comm.start_all_gather(values.data(), cuts), nothing);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<float>(i));
}

// Messages of a tag arrive in order, others wait for theirs; a rank can send to itself.
TEST(Comm, SendsInOrder) {
  const Comm& comm = session->comm();
  const int to = (comm.rank() + 1) % comm.size(),
            from = (comm.rank() + comm.size() - 1) % comm.size();
  const std::vector<int> sent = {10 * comm.rank(), 10 * comm.rank() + 1, 10 * comm.rank() + 2};
  std::vector<Request> sends;
  for (std::size_t i = 0; i < sent.size(); ++i)
    sends.push_back(comm.start_send(&sent[i], sizeof(int), to, i == 2 ? 7 : 3));
  std::vector<int> got(3, -1);
  comm.wait_for_message(from, 7, nothing);
  comm.wait(comm.start_receive(&got[2], sizeof(int), from, 7), nothing);
  comm.wait(comm.start_receive(&got[0], sizeof(int), from, 3), nothing);
  comm.wait(comm.start_receive(&got[1], sizeof(int), from, 3), nothing);
  EXPECT_EQ(got, (std::vector<int>{10 * from, 10 * from + 1, 10 * from + 2}));
  for (Request& send : sends) comm.wait(send, nothing);
}

// Halves of the world, in reverse order, have sums of their own.
TEST(Comm, Splits) {
  const Comm& comm = session->comm();
  const Comm part = comm.split(comm.rank() % 2, -comm.rank());
  EXPECT_EQ(part.size(), (comm.size() + 1 - comm.rank() % 2) / 2);
  EXPECT_EQ(part.rank(), part.size() - 1 - comm.rank() / 2);
  std::int64_t sum = 0;
  for (int rank = comm.rank() % 2; rank < comm.size(); rank += 2) sum += rank;
  EXPECT_EQ(part.sum(std::int64_t{comm.rank()}), sum);
  std::int64_t most = comm.rank();
  comm.duplicate().wait(comm.start_all_reduce_max(most), nothing);
  EXPECT_EQ(most, comm.size() - 1);
}

TEST(Comm, BroadcastsFromRank0) {
  const Comm& comm = session->comm();
  std::string text = comm.rank() == 0 ? std::string(100000, 'x') + "end" : "something else";
  comm.broadcast(text);
  EXPECT_EQ(text, std::string(100000, 'x') + "end");
  std::string empty = comm.rank() == 0 ? "" : "something";
  comm.broadcast(empty);
  EXPECT_EQ(empty, "");
}

TEST(Comm, GathersTextsInRankOrder) {
  const Comm& comm = session->comm();
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(3 * rank), static_cast<char>('a' + rank));
  };
  const std::vector<std::string> texts = comm.gather(text_of(comm.rank()));
  if (comm.rank() != 0) {
    EXPECT_TRUE(texts.empty());
    return;
  }
  ASSERT_EQ(static_cast<int>(texts.size()), comm.size());
  for (int rank = 0; rank < comm.size(); ++rank) {
    EXPECT_EQ(texts[static_cast<std::size_t>(rank)], text_of(rank));
  }
}

}  // namespace
}  // namespace dfascale

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const dfascale::Session scope;
  dfascale::session = &scope;
  const int failed = RUN_ALL_TESTS();
  return scope.comm().max(static_cast<std::int64_t>(failed)) == 0 ? 0 : 1;
}
