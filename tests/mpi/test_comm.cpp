// Messages between ranks: every rank count gives the same sums, texts and bytes.  Arrays:
// test_arrays.cpp.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/session.hpp"

namespace dfascale {
namespace {

using test::nothing;
using test::session;

TEST(Comm, RanksAreNumbered) {
  const Comm& comm = session->comm();
  EXPECT_GE(comm.rank(), 0);
  EXPECT_LT(comm.rank(), comm.size());
  EXPECT_EQ(comm.local_rank(), comm.rank());  // the test's ranks share a node
  EXPECT_EQ(own_rank(), comm.rank());
  EXPECT_EQ(ranks_are_joined(), comm.size() > 1);
  EXPECT_EQ(comm.sum(std::int64_t{comm.rank()}), comm.size() * (comm.size() - 1) / 2);
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

TEST(Comm, BroadcastsFromAnyRank) {
  const Comm& comm = session->comm();
  const int root = comm.size() - 1;
  std::vector<int> values(1000, comm.rank());
  comm.wait(comm.start_broadcast(values.data(), std::ssize(values) * 4, root), nothing);
  EXPECT_EQ(values, std::vector<int>(1000, root));
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
