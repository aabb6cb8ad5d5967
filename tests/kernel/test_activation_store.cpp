// Where activations lie until blocks learn: what is saved comes back, transfers keep their order,
// and what fails is told.  On hosts over a file; linked with fakes of CUDA over pinned memory.
#include <array>

#include "kernels/activation_store.hpp"
#include "tests/kernel/arrays.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/files.hpp"
#include "tests/support/mounts.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t pages = 3, bytes = pages * store_page;

/// Pages of device memory, which begin at a page.
class Pages {
 public:
  Pages() : memory_(std::vector<std::byte>(bytes + store_page)) {
    const auto over = reinterpret_cast<std::uintptr_t>(memory_.data()) % store_page;
    view_ = {memory_.data() + (store_page - over), bytes};
  }
  Vector<std::byte> view() const { return view_; }
  void fill(int value) const {
    const std::vector<std::byte> host(bytes, std::byte(value));
    copy_to_device(on, view_.data, host.data(), host.size());
  }
  /// The value of all bytes, or -1 where they differ.
  int value() const {
    std::vector<std::byte> host(bytes);
    copy_to_host(on, host.data(), view_.data, host.size());
    for (const std::byte b : host)
      if (b != host.front()) return -1;
    return std::to_integer<int>(host.front());
  }

 private:
  Array<std::byte> memory_;
  Vector<std::byte> view_;
};

class Store : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string where_ = device_memory_is_host() ? folder_.path() : "host";
};

TEST_F(Store, GivesBackWhatWasSaved) {
  constexpr std::int64_t places = 40;  // more than can be under way at once
  ActivationStore store(on, where_, places * bytes);
  const std::array<Pages, 2> buffers;
  std::array<std::int64_t, 2> last{};
  for (int i = 0; i < places; ++i) {
    store.wait(last[i % 2]);
    buffers[i % 2].fill(i + 1);
    last[i % 2] = store.begin_save(i * bytes, buffers[i % 2].view());
  }
  for (int i = places - 1; i >= 0; --i) {
    store.wait(store.begin_fetch(i * bytes, buffers[i % 2].view()));
    EXPECT_EQ(buffers[i % 2].value(), i + 1);
  }
}

/// A fetch into memory that a save under way still reads from comes after it.
TEST_F(Store, KeepsTheOrderOfTransfers) {
  ActivationStore store(on, where_, 2 * bytes);
  const Pages buffer;
  buffer.fill(1);
  store.wait(store.begin_save(0, buffer.view()));
  buffer.fill(2);
  store.begin_save(bytes, buffer.view());
  store.wait(store.begin_fetch(0, buffer.view()));
  EXPECT_EQ(buffer.value(), 1);
  store.wait(store.begin_fetch(bytes, buffer.view()));
  EXPECT_EQ(buffer.value(), 2);
}

TEST_F(Store, MayBeClosedWhileTransfersAreUnderWay) {
  const Pages buffer;
  buffer.fill(1);
  ActivationStore store(on, where_, bytes);
  for (int i = 0; i < 10; ++i) store.begin_save(0, buffer.view());
}

TEST_F(Store, SaysHowFastItIs) {
  const StoreSpeed speed = speed_of_store(on, where_, bytes + 1);
  EXPECT_TRUE(speed.known());
  EXPECT_GT(speed.flops, 0);
  EXPECT_FALSE(StoreSpeed{}.known());
}

/// Its file has no name from the beginning: a run that is killed leaves none.
TEST_F(Store, ShowsNoFile) {
  const ActivationStore store(on, where_, bytes);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  EXPECT_EQ(store.note(), "");
}

TEST_F(Store, SaysWhatIsWrongWithADisk) {
  if (!device_memory_is_host()) GTEST_SKIP() << "pinned memory is on no disk";
  SmallDisk disk("1m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const auto open = [&](std::int64_t wanted) {
    return ActivationStore(on, disk.path(), wanted).note();
  };
  EXPECT_NE(open(bytes).find("takes memory all the same"), std::string::npos);
  expect_error(Exit::device,
               {"run.offload: " + disk.path(), "No space left", "4.2 MB wanted", "1.0 MB free"},
               [&] { open(1 << 22); });
  ASSERT_TRUE(disk.make_read_only());
  expect_error(Exit::usage, {"run.offload = \"" + disk.path() + "\"", "Read-only"},
               [&] { open(bytes); });
}

TEST_F(Store, RefusesAPlaceThatIsNone) {
  expect_error(Exit::usage, {"run.offload = \"/no/such/folder\""},
               [] { const ActivationStore store(on, "/no/such/folder", bytes); });
  expect_error(Exit::usage, {"run.offload = \"/no/such/folder\""},
               [] { speed_of_store(on, "/no/such/folder", bytes); });
}

}  // namespace
}  // namespace dfascale::test
