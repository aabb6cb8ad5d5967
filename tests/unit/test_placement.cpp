// Where the parts of a layout are, in few lines.
#include <gtest/gtest.h>

#include "train/placement.hpp"

namespace dfascale {
namespace {

using Lines = std::vector<std::string>;

/// Ranks node by node, as launchers number them.
Lines hosts(std::int64_t ranks, std::int64_t on_a_node) {
  Lines names;
  for (std::int64_t rank = 0; rank < ranks; ++rank)
    names.push_back(fmt::format("gpu{:03}", rank / on_a_node));
  return names;
}

TEST(Placement, OneNodeIsOneLine) {
  EXPECT_EQ(placement({"here"}, 1), Lines{"here: replica 0, pipeline rank 0"});
  EXPECT_EQ(placement({"here", "here"}, 2), Lines{"here: replicas 0-1, pipeline rank 0"});
  EXPECT_EQ(placement(hosts(6, 6), 2), Lines{"gpu000: replicas 0-1, pipeline ranks 0-2"});
}

TEST(Placement, NeighboursThatGoOnAreOneLine) {
  EXPECT_EQ(placement(hosts(512, 8), 512),
            Lines{"gpu000 to gpu063 (64 nodes): replicas 0-511, pipeline rank 0"});
  EXPECT_EQ(placement(hosts(512, 8), 1),
            Lines{"gpu000 to gpu063 (64 nodes): replica 0, pipeline ranks 0-511"});
  EXPECT_EQ(placement(hosts(512, 8), 4),
            Lines{"gpu000 to gpu063 (64 nodes): replicas 0-3, pipeline ranks 0-127"});
  EXPECT_EQ(placement(hosts(512, 8), 128),
            (Lines{"gpu000 to gpu015 (16 nodes): replicas 0-127, pipeline rank 0",
                   "gpu016 to gpu031 (16 nodes): replicas 0-127, pipeline rank 1",
                   "gpu032 to gpu047 (16 nodes): replicas 0-127, pipeline rank 2",
                   "gpu048 to gpu063 (16 nodes): replicas 0-127, pipeline rank 3"}));
}

TEST(Placement, WhatIsNoRectangleIsSaidPartByPart) {
  EXPECT_EQ(placement(hosts(6, 4), 3),
            (Lines{"gpu000: replicas 0-2, pipeline rank 0; replica 0, pipeline rank 1",
                   "gpu001: replicas 1-2, pipeline rank 1"}));
  // Dealt out in turn.
  EXPECT_EQ(placement({"a", "b", "a", "b"}, 2),
            Lines{"a to b (2 nodes): replicas 0-1, pipeline ranks 0-1"});
  EXPECT_EQ(placement({"a", "b", "a", "b"}, 4),
            (Lines{"a: replica 0, pipeline rank 0; replica 2, pipeline rank 0",
                   "b: replica 1, pipeline rank 0; replica 3, pipeline rank 0"}));
}

TEST(Placement, ManyOddNodesAreCounted) {
  const Lines lines = placement(hosts(300, 3), 4, 10);
  ASSERT_EQ(lines.size(), 11U);
  EXPECT_TRUE(lines.back().starts_with("and ")) << lines.back();
}

}  // namespace
}  // namespace dfascale
