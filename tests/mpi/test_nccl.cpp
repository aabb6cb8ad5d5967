// What only NCCL brings: how its failures are told, and what becomes of communicators then.  Over
// a fake of NCCL and CUDA (tests/support/fake_nccl) that this program is linked with.
#include <gtest/gtest.h>

#include "comm/arrays.hpp"
#include "comm/nccl_calls.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/fake_nccl/control.hpp"
#include "tests/support/session.hpp"

namespace dfascale {
namespace {

using test::expect_error;
using test::nothing;
using test::session;

class Nccl : public testing::Test {
 protected:
  void SetUp() override { fake_nccl::destroyed = fake_nccl::aborted = 0; }
  void TearDown() override {
    fake_nccl::is_stalled = false;
    fake_nccl::noticed = fake_nccl::first_answer = ncclSuccess;
    fake_nccl::last_words.clear();
    fake_nccl::card.clear();
    session->comm().barrier();
  }
  const Comm& ranks = session->comm();
};

// An operation that never ends: NCCL notices that a rank is gone, and what waits says so.
TEST_F(Nccl, TellsWhatItNoticesWhileRanksWait) {
  expect_error(Exit::device, {"NCCL", "a fake failure", "peer 3 hung up", "another rank"}, [&] {
    const ArrayComm arrays(ranks, session->device());
    std::vector<float> values(100);
    fake_nccl::is_stalled = true;
    Request sum = arrays.start_all_reduce_sum({values.data(), 100});
    EXPECT_FALSE(sum.done());
    fake_nccl::last_words = "peer 3 hung up";
    fake_nccl::noticed = ncclRemoteError;
    arrays.wait(sum, nothing);
  });
  EXPECT_EQ(fake_nccl::aborted, 1);
  EXPECT_EQ(fake_nccl::destroyed, 0);
}

TEST_F(Nccl, EndsInOrder) {
  const int next = (ranks.rank() + 1) % ranks.size();
  std::vector<Route> routes;
  for (int rank = 0; rank < ranks.size(); ++rank)
    routes.push_back({rank, (rank + 1) % ranks.size()});
  { const ArrayComm arrays(ranks, session->device(), routes); }
  EXPECT_EQ(fake_nccl::destroyed, next == ranks.rank() ? 1 : 3);  // all ranks, to one, from one
  EXPECT_EQ(fake_nccl::aborted, 0);
}

TEST_F(Nccl, WantsAGpuForEachRank) {
  if (ranks.size() == 1) GTEST_SKIP() << "needs two ranks";
  if (ranks.rank() < 2) fake_nccl::card = "0000:3b:00.0";
  expect_error(Exit::device, {"ranks 0 and 1 share GPU 0000:3b:00.0 of", "start as many ranks"},
               [&] { const ArrayComm arrays(ranks, session->device()); });
}

TEST_F(Nccl, TellsWhyItDoesNotStart) {
  if (ranks.size() > 1) GTEST_SKIP() << "the other ranks would wait";
  fake_nccl::first_answer = ncclSystemError;
  fake_nccl::last_words = "no interface found";
  expect_error(Exit::device, {"ncclGetUniqueId failed", "no interface found", "NCCL_DEBUG=INFO"},
               [&] { const ArrayComm arrays(ranks, session->device()); });
}

// A mistake in a plan, not a broken array.
TEST_F(Nccl, NoticesMessagesOfAnotherSize) {
  const int rank = ranks.rank();
  const ArrayComm arrays(ranks, session->device(), {{rank, rank}});
  std::vector<float> sent(10), got(9);
  Request send = arrays.start_send({sent.data(), 10}, rank, 0);
  EXPECT_THROW(arrays.wait(arrays.start_receive({got.data(), 9}, rank, 0), nothing),
               std::logic_error);
}

TEST(NcclLogic, NamesTheCall) {
  EXPECT_EQ(nccl_failure("ncclSend(values.data, 3)", ncclRemoteError, ""),
            "NCCL: ncclSend failed: a fake failure; another rank or the network to it is gone: its "
            "own message says why");
}

TEST(NcclLogic, FindsSharedCards) {
  EXPECT_EQ(shared_card({"a", "b", "c"}), "");
  EXPECT_EQ(shared_card({"a", "b", "c", "b"}).substr(0, 22), "ranks 1 and 3 share b:");
}

TEST(NcclLogic, KnowsEvenParts) {
  const std::vector<std::int64_t> even = {2, 5, 8, 11}, uneven = {0, 5, 8};
  EXPECT_TRUE(are_even(even));
  EXPECT_FALSE(are_even(uneven));
}

}  // namespace
}  // namespace dfascale
