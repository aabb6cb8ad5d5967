#include "comm/node_sums.hpp"

#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include "base/log.hpp"
#include "comm/mpi_calls.hpp"

namespace dfascale {
namespace {

// Chunks stay in a core's own cache; with several of them no rank waits for the others at each.
constexpr std::int64_t chunk_floats = 131072, chunks_at_once = 4;
constexpr std::int64_t line_floats = 16;

}  // namespace

struct NodeSums::Marks {
  alignas(64) std::atomic<std::int64_t> put_in{0};
  alignas(64) std::atomic<std::int64_t> added_up{0};
  alignas(64) std::atomic<std::int64_t> taken{0};

  /// Where in a rank's part of a window they lie: Open MPI's begin within a line.  All ranks find
  /// the same place, since memory is mapped by pages.
  static char* place_in(void* part) {
    const auto over = reinterpret_cast<std::uintptr_t>(part) % alignof(Marks);
    return static_cast<char*>(part) + (over == 0 ? 0 : alignof(Marks) - over);
  }
  static bool all_beyond(const std::vector<Marks*>& marks, std::atomic<std::int64_t> Marks::*mark,
                         std::int64_t chunk) {
    return std::ranges::all_of(marks, [&](const Marks* of_rank) {
      return (of_rank->*mark).load(std::memory_order_acquire) > chunk;
    });
  }
  static void pass(std::atomic<std::int64_t>& mark) {
    mark.store(mark.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
};

namespace {

constexpr std::int64_t megabyte = 1 << 20;

/// Ranks on this node, in all groups, as far as the launcher says.
int ranks_of_node(int at_least) {
  for (const char* name :
       {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"})
    if (const char* text = std::getenv(name)) return std::max(at_least, std::atoi(text));
  return at_least;
}

/// Where the memory of windows comes from: Open MPI makes files there, others POSIX shared memory.
std::string shared_memory_folder() {
  const char* chosen = std::getenv("OMPI_MCA_osc_sm_backing_directory");
  return chosen != nullptr ? chosen : "/dev/shm";
}

/// Whether a limit of this process (ulimit -v) leaves room for the window, and for what the library
/// takes beside it.
bool may_map(std::int64_t bytes) {
  const auto length = static_cast<std::size_t>(bytes + 16 * megabyte);
  void* const place = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return place != MAP_FAILED && ::munmap(place, length) == 0;
}

/// Whether a window can be had for every rank of the node, and something for the library's own
/// messages beside it.  Open MPI 4.1 would fail on one rank while the others wait for it.
bool has_room(std::int64_t bytes_of_a_rank, int ranks) {
  if (!may_map(ranks * bytes_of_a_rank)) return false;
  struct statvfs disk {};
  if (::statvfs(shared_memory_folder().c_str(), &disk) != 0) return true;  // it is elsewhere
  const auto free =
      static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  return free >= ranks_of_node(ranks) * (bytes_of_a_rank + megabyte);
}

/// Whether this is so on all ranks.
bool all_say(bool yes, MPI_Comm ranks) {
  int all = yes ? 1 : 0;
  MPI_WATCHED(MPI_Allreduce, MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, ranks);
  return all != 0;
}

/// Each rank's part in pages of its own: near to the rank.
int allocate_shared(MPI_Aint bytes, MPI_Comm ranks, void** memory, MPI_Win* window) {
  MPI_Info info = MPI_INFO_NULL;
  MPI_CHECKED(MPI_Info_create(&info));
  MPI_CHECKED(MPI_Info_set(info, "alloc_shared_noncontig", "true"));
  const int code = watched_mpi("MPI_Win_allocate_shared", [&] {
    return MPI_Win_allocate_shared(bytes, 1, info, ranks, memory, window);
  });
  MPI_CHECKED(MPI_Info_free(&info));
  return code;
}

/// Takes the pages now: where they are lacking after all, touching them later would kill the rank.
/// Kernels before 5.14 cannot, and are trusted.
bool take_pages(void* memory, MPI_Aint bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(memory) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(memory) + static_cast<std::uintptr_t>(bytes);
  return ::madvise(reinterpret_cast<void*>(start), end - start, MADV_POPULATE_WRITE) == 0 ||
         errno == EINVAL;
}

}  // namespace

std::shared_ptr<NodeSums> NodeSums::make(MPI_Comm ranks) {
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);
  const auto bytes =
      static_cast<MPI_Aint>(alignof(Marks) + sizeof(Marks)) + chunks_at_once * chunk_floats * 4;
  int size = 1;
  MPI_CHECKED(MPI_Comm_size(ranks, &size));
  void* memory = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  if (all_say(has_room(bytes, size), ranks)) {
    const bool is_there = allocate_shared(bytes, ranks, &memory, &window) == MPI_SUCCESS;
    if (all_say(is_there && take_pages(memory, bytes), ranks))
      return std::shared_ptr<NodeSums>(new NodeSums(ranks, window));
    if (is_there) MPI_Win_free(&window);
  }
  static bool is_said = false;
  if (!std::exchange(is_said, true))
    log::warn(
        "no room for shared memory in {} ({} MB for each rank of the node): MPI sums over ranks, "
        "which is slower",
        shared_memory_folder(), (bytes + megabyte) / 1'000'000);
  return nullptr;
}

NodeSums::NodeSums(MPI_Comm ranks, MPI_Win window)
    : window_(window), exceptions_(std::uncaught_exceptions()) {
  MPI_CHECKED(MPI_Comm_rank(ranks, &rank_));
  MPI_CHECKED(MPI_Comm_size(ranks, &size_));
  for (int rank = 0; rank < size_; ++rank) {
    MPI_Aint bytes = 0;
    int unit = 0;
    void* memory = nullptr;
    MPI_CHECKED(MPI_Win_shared_query(window_, rank, &bytes, &unit, &memory));
    char* const start = Marks::place_in(memory);
    marks_.push_back(reinterpret_cast<Marks*>(start));
    buffers_.push_back(reinterpret_cast<float*>(start + sizeof(Marks)));
  }
  new (marks_[static_cast<std::size_t>(rank_)]) Marks;
  MPI_WATCHED(MPI_Barrier, ranks);
}

/// While an exception passes, the other ranks may never come to free it with this one.
NodeSums::~NodeSums() {
  if (std::uncaught_exceptions() != exceptions_) return;
  const Watched watched(own_rank(), "MPI_Win_free");
  MPI_Win_free(&window_);
}

Request NodeSums::start(const std::shared_ptr<NodeSums>& sums, Vec values,
                        std::span<const std::int64_t> cuts, Sum sum) {
  std::int64_t longest = 0;
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r)
    longest = std::max(longest, cuts[r + 1] - cuts[r]);
  const std::int64_t piece = sums->piece_floats(), first = sums->started_,
                     end = first + (longest + piece - 1) / piece;
  if (end == first) return {};
  sums->started_ = end;
  sums->arrays_.push_back({values, {cuts.begin(), cuts.end()}, sum, first, end});
  sums->progress();
  return Request([sums, end] {
    sums->progress();
    return sums->arrays_.empty() || sums->arrays_.front().first >= end;
  });
}

void NodeSums::progress() {
  if (arrays_.empty()) return;
  for (bool moves = true; moves;) {
    const bool taken = take(), added = add_up();
    moves = put_in() || taken || added;
  }
}

/// The pieces that other ranks add up, once everybody is done with what was in their place.
bool NodeSums::put_in() {
  std::atomic<std::int64_t>& mark = marks_[static_cast<std::size_t>(rank_)]->put_in;
  const std::int64_t chunk = mark.load(std::memory_order_relaxed);
  if (chunk == started_ || !Marks::all_beyond(marks_, &Marks::taken, chunk - chunks_at_once))
    return false;
  const Array& array = array_of(chunk);
  for (int owner = 0; owner < size_; ++owner) {
    const Vec from = piece(array, chunk, owner);
    if (owner != rank_) std::copy_n(from.data, from.size, shared_piece(rank_, chunk, owner));
  }
  Marks::pass(mark);
  return true;
}

/// The own piece, from what all ranks put in.
bool NodeSums::add_up() {
  std::atomic<std::int64_t>& mark = marks_[static_cast<std::size_t>(rank_)]->added_up;
  const std::int64_t chunk = mark.load(std::memory_order_relaxed);
  if (!Marks::all_beyond(marks_, &Marks::put_in, chunk)) return false;
  const Array& array = array_of(chunk);
  const Vec own = piece(array, chunk, rank_);
  const auto of_rank = [&](int rank) -> const float* {
    return rank == rank_ ? own.data : shared_piece(rank, chunk, rank_);
  };
  float* sum = shared_piece(rank_, chunk, rank_);  // where nothing was put in
  const float *first = of_rank(0), *second = of_rank(1);
  for (std::int64_t i = 0; i < own.size; ++i) sum[i] = first[i] + second[i];
  for (int rank = 2; rank < size_; ++rank) {
    const float* next = of_rank(rank);
    for (std::int64_t i = 0; i < own.size; ++i) sum[i] += next[i];
  }
  std::copy_n(sum, own.size, own.data);
  Marks::pass(mark);
  return true;
}

/// The other ranks' sums.
bool NodeSums::take() {
  std::atomic<std::int64_t>& mark = marks_[static_cast<std::size_t>(rank_)]->taken;
  const std::int64_t chunk = mark.load(std::memory_order_relaxed);
  if (!Marks::all_beyond(marks_, &Marks::added_up, chunk)) return false;
  const Array& array = array_of(chunk);
  for (int owner = 0; owner < size_ && array.sum == Sum::to_all; ++owner) {
    const Vec to = piece(array, chunk, owner);
    if (owner != rank_) std::copy_n(shared_piece(owner, chunk, owner), to.size, to.data);
  }
  if (chunk + 1 == array.end) arrays_.pop_front();
  Marks::pass(mark);
  return true;
}

std::int64_t NodeSums::piece_floats() const {
  return std::max(chunk_floats / size_ / line_floats * line_floats, line_floats);
}

const NodeSums::Array& NodeSums::array_of(std::int64_t chunk) const {
  return *std::ranges::find_if(arrays_, [&](const Array& array) { return chunk < array.end; });
}

/// What of a rank's part is in a chunk: nothing once a shorter part is through.
Vec NodeSums::piece(const Array& array, std::int64_t chunk, int owner) const {
  const auto part = static_cast<std::size_t>(owner);
  const std::int64_t end = array.cuts[part + 1];
  const std::int64_t first =
      std::min(array.cuts[part] + (chunk - array.first) * piece_floats(), end);
  return array.values.part(first, std::min(piece_floats(), end - first));
}

float* NodeSums::shared_piece(int rank, std::int64_t chunk, int owner) const {
  return buffers_[static_cast<std::size_t>(rank)] + chunk % chunks_at_once * chunk_floats +
         owner * piece_floats();
}

}  // namespace dfascale
