// Arrays between ranks: sums, parts and messages, the same whatever library carries them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "comm/arrays.hpp"
#include "tests/support/session.hpp"

namespace dfascale {
namespace {

using test::nothing;
using test::session;

/// Floats in device memory.
class Array {
 public:
  explicit Array(const std::vector<float>& values)
      : size_(values.size()), memory_(device_allocate(bytes())) {
    copy_to_device(session->device(), memory_, values.data(), bytes());
  }
  ~Array() { device_free(memory_); }
  Array(Array&& other) noexcept
      : size_(other.size_), memory_(std::exchange(other.memory_, nullptr)) {}

  Vec view() const { return {static_cast<float*>(memory_), static_cast<std::int64_t>(size_)}; }
  std::vector<float> values() const {
    std::vector<float> values(size_);
    copy_to_host(session->device(), values.data(), memory_, bytes());
    return values;
  }

 private:
  std::size_t bytes() const { return size_ * sizeof(float); }
  std::size_t size_;
  void* memory_;
};

Array filled(std::size_t size, int value) {
  return Array(std::vector<float>(size, static_cast<float>(value)));
}

/// Every rank to every rank, itself among them.
std::vector<Route> all_routes(int ranks) {
  std::vector<Route> routes;
  for (int from = 0; from < ranks; ++from)
    for (int to = 0; to < ranks; ++to) routes.push_back({from, to});
  return routes;
}

class Arrays : public testing::Test {
 protected:
  const Comm& ranks = session->comm();
  const ArrayComm arrays{ranks, session->device(), all_routes(ranks.size())};
  const ArrayComm by_library{ranks, session->device(), {}, SumsBy::library};
  const std::vector<const ArrayComm*> both = {&arrays, &by_library};
  const int rank = ranks.rank(), size = ranks.size();
};

/// Parts of 0, 5, 10, ... elements.
std::vector<std::int64_t> uneven_cuts(int parts) {
  std::vector<std::int64_t> cuts = {0};
  for (int part = 0; part < parts; ++part) cuts.push_back(cuts.back() + 5 * part);
  return cuts;
}

std::vector<std::int64_t> even_cuts(int parts) {
  std::vector<std::int64_t> cuts;
  for (int part = 0; part <= parts; ++part) cuts.push_back(7 * part);
  return cuts;
}

std::vector<float> multiples(std::int64_t count, int factor) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(factor * static_cast<int>(i % 1000));
  return values;
}

// One element, a part of a bucket, several buckets and a rest (a bucket is 4 Mi floats).
TEST_F(Arrays, SumOverAllRanks) {
  for (const ArrayComm* with : both)
    for (const std::int64_t count : {0L, 1L, 1000L, (9L << 20) + 7}) {
      const Array sums(multiples(count, rank + 1));
      with->wait(with->start_all_reduce_sum(sums.view()), nothing);
      EXPECT_TRUE(sums.values() == multiples(count, size * (size + 1) / 2)) << count;
    }
}

// Many at once, of all kinds and sizes, waited for in another order than they were started in.
TEST_F(Arrays, SumsOnTheirWayTogether) {
  std::vector<Array> sums;
  std::vector<Request> requests;
  std::vector<std::vector<float>> wanted;
  for (int k = 0; k < 12; ++k) {
    const std::int64_t count = k % 3 == 0 ? 5 : 100003 * k;
    const std::vector<std::int64_t> cuts = {0, count / 5, count / 5, count};
    sums.emplace_back(multiples(count, rank + 1 + k));
    wanted.push_back(multiples(count, size * (size + 1) / 2 + size * k));
    if (k % 2 == 0 || size != 3) {
      requests.push_back(arrays.start_all_reduce_sum(sums.back().view()));
      continue;
    }
    requests.push_back(arrays.start_reduce_scatter_sum(sums.back().view(), cuts));
    const std::vector<float> own = multiples(count, rank + 1 + k);
    for (std::size_t part = 0; part < 3; ++part)
      if (static_cast<int>(part) != rank)
        std::copy(own.begin() + cuts[part], own.begin() + cuts[part + 1],
                  wanted.back().begin() + cuts[part]);
  }
  for (std::size_t k = requests.size(); k-- > 0;) {
    arrays.wait(requests[k], nothing);
    EXPECT_TRUE(sums[k].values() == wanted[k]) << k;
  }
}

// Sums that round: the same bits every time, and on every rank.
TEST_F(Arrays, SumsAreDeterministic) {
  for (const ArrayComm* with : both) {
    std::vector<float> first;
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<float> values(100003);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = 1.0f / static_cast<float>(i + 1 + 17 * static_cast<std::size_t>(rank));
      const Array sums(values);
      with->wait(with->start_all_reduce_sum(sums.view()), nothing);
      if (repeat == 0) first = sums.values();
      EXPECT_EQ(sums.values(), first);
    }
    const Array of_rank_0(first);
    with->wait(with->start_broadcast(of_rank_0.view(), 0), nothing);
    EXPECT_EQ(of_rank_0.values(), first);
  }
}

// Each rank gets the sum of its part, and the other parts are as they were.
TEST_F(Arrays, SumAndScatter) {
  for (const ArrayComm* with : both)
    for (const auto& cuts : {uneven_cuts(size), even_cuts(size)}) {
      std::vector<float> wanted;
      for (std::int64_t i = 0; i < cuts.back(); ++i)
        wanted.push_back(static_cast<float>(1000 * rank + i));
      const Array array(wanted);
      const auto here = static_cast<std::size_t>(rank);
      for (std::int64_t i = cuts[here]; i < cuts[here + 1]; ++i)
        wanted[static_cast<std::size_t>(i)] =
            static_cast<float>(500 * size * (size - 1) + size * i);
      with->wait(with->start_reduce_scatter_sum(array.view(), cuts), nothing);
      EXPECT_EQ(array.values(), wanted);
    }
}

TEST_F(Arrays, GatherPartsToAll) {
  for (const auto& cuts : {uneven_cuts(size), even_cuts(size)}) {
    std::vector<float> values(static_cast<std::size_t>(cuts.back()), -1.0f);
    const auto here = static_cast<std::size_t>(rank);
    for (std::int64_t i = cuts[here]; i < cuts[here + 1]; ++i)
      values[static_cast<std::size_t>(i)] = static_cast<float>(i);
    const Array array(values);
    arrays.wait(arrays.start_all_gather(array.view(), cuts), nothing);
    values = array.values();
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<float>(i));
  }
}

TEST_F(Arrays, BroadcastFromAnyRank) {
  for (int root = 0; root < size; ++root) {
    const Array array = filled(1001, rank);
    arrays.wait(arrays.start_broadcast(array.view(), root), nothing);
    EXPECT_EQ(array.values(), filled(1001, root).values());
  }
}

// Several operations under way at once, asked about in another order than they began.
TEST_F(Arrays, GoOnTogether) {
  const Array sum = filled(300000, 1), sent = filled(50000, rank), got = filled(50000, -1),
              all = filled(300000, rank);
  const int to = (rank + 1) % size, from = (rank + size - 1) % size;
  Request first = arrays.start_all_reduce_sum(sum.view());
  Request send = arrays.start_send(sent.view(), to, 1);
  Request last = arrays.start_broadcast(all.view(), size - 1);
  arrays.wait(last, nothing);
  arrays.wait(arrays.start_receive(got.view(), from, 1), nothing);
  arrays.wait(send, nothing);
  arrays.wait(first, nothing);
  EXPECT_EQ(sum.values(), filled(300000, size).values());
  EXPECT_EQ(got.values(), filled(50000, from).values());
  EXPECT_EQ(all.values(), filled(300000, size - 1).values());
}

// Messages of a tag arrive in order, others wait for theirs, and receives may begin before sends.
TEST_F(Arrays, AreSentInOrder) {
  const int to = (rank + 1) % size, from = (rank + size - 1) % size;
  const int tags[] = {3, 3, 7, 9};
  std::vector<Array> sent, got;
  for (int i = 0; i < 4; ++i) sent.push_back(filled(20000, 10 * rank + i));
  for (int i = 0; i < 4; ++i) got.push_back(filled(20000, -1));
  Request early = arrays.start_receive(got[3].view(), from, tags[3]);
  std::vector<Request> sends;
  for (std::size_t i = 0; i < sent.size(); ++i)
    sends.push_back(arrays.start_send(sent[i].view(), to, tags[i]));
  arrays.wait_for_message(from, tags[2], nothing);
  for (const std::size_t i : {2UL, 0UL, 1UL})
    arrays.wait(arrays.start_receive(got[i].view(), from, tags[i]), nothing);
  arrays.wait(early, nothing);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(got[static_cast<std::size_t>(i)].values(), filled(20000, 10 * from + i).values());
  for (Request& send : sends) arrays.wait(send, nothing);
}

// Both ways at once, between all pairs: nobody waits for a receive that comes later.
TEST_F(Arrays, CrossEachOther) {
  std::vector<Array> sent, got;
  std::vector<Request> requests;
  for (int other = 0; other < size; ++other) {
    sent.push_back(filled(30000, 100 * rank + other));
    got.push_back(filled(30000, -1));
  }
  for (int other = 0; other < size; ++other)
    requests.push_back(arrays.start_receive(got[static_cast<std::size_t>(other)].view(), other, 5));
  for (int other = size - 1; other >= 0; --other)
    requests.push_back(arrays.start_send(sent[static_cast<std::size_t>(other)].view(), other, 5));
  for (Request& request : requests) arrays.wait(request, nothing);
  for (int other = 0; other < size; ++other)
    EXPECT_EQ(got[static_cast<std::size_t>(other)].values(),
              filled(30000, 100 * other + rank).values());
}

// A rank that computes, and asks about nothing, does not hold up those that want its messages.
TEST_F(Arrays, MoveOnMeanwhile) {
  const int to = (rank + 1) % size, from = (rank + size - 1) % size;
  const Array sent = filled(500000, rank), got = filled(500000, -1);
  Request send = arrays.start_send(sent.view(), to, 2);
  Request receive = arrays.start_receive(got.view(), from, 2);
  if (rank % 2 == 1) arrays.wait(receive, nothing);
  ranks.barrier();  // the others go on when those have what they wanted
  arrays.wait(receive, nothing);
  arrays.wait(send, nothing);
  EXPECT_EQ(got.values(), filled(500000, from).values());
}

TEST_F(Arrays, GoAlongRoutesOnly) {
  const ArrayComm none(ranks, session->device());
  const Array array = filled(3, 0);
  EXPECT_THROW(none.start_send(array.view(), rank, 0), std::logic_error);
  EXPECT_THROW(none.start_receive(array.view(), rank, 0), std::logic_error);
}

// Halves of the world have sums of their own.
TEST_F(Arrays, OfAPartOfTheRanks) {
  const ArrayComm part(ranks.split(rank % 2, -rank), session->device());
  int sum = 0;
  for (int other = rank % 2; other < size; other += 2) sum += other;
  const Array array = filled(100, rank);
  part.wait(part.start_all_reduce_sum(array.view()), nothing);
  EXPECT_EQ(array.values(), filled(100, sum).values());
}

}  // namespace
}  // namespace dfascale
