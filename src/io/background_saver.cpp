#include "io/background_saver.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "io/checkpoint_arrays.hpp"

namespace dfascale {

namespace {

std::int64_t bytes_of(const ArraySlice& array) {
  return array.rows * row_length(array.shape) * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t bytes_of(const std::vector<ArraySlice>& arrays) {
  std::int64_t bytes = 0;
  for (const ArraySlice& array : arrays) bytes += bytes_of(array);
  return bytes;
}

std::uint64_t node() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::hash<std::string>{}(host);
}

/// What a rank tells the others to decide with, as words for gather().
struct Offer {
  std::uint64_t node, bytes, available, threads;
};
constexpr std::size_t words_per_offer = sizeof(Offer) / sizeof(std::uint64_t);

std::vector<Offer> exchange(const Offer& mine, const WriterRanks& ranks) {
  std::vector<std::uint64_t> words(words_per_offer);
  std::memcpy(words.data(), &mine, sizeof mine);
  const auto all = ranks.gather(words);
  std::vector<Offer> offers(all.size() / words_per_offer);
  std::memcpy(offers.data(), all.data(), all.size() * sizeof(std::uint64_t));
  return offers;
}

/// Cores for each rank of a node, as far as copying is faster with more.
int cores_for_each(const std::vector<Offer>& offers, std::uint64_t of_node) {
  constexpr int most = 4;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  const auto ranks = std::count_if(offers.begin(), offers.end(),
                                   [&](const Offer& offer) { return offer.node == of_node; });
  return std::clamp(CPU_COUNT(&allowed) / static_cast<int>(ranks), 1, most);
}

/// Why copies cannot be had; empty if they can.  At least half of what is free stays free.
std::string obstacle(const std::vector<Offer>& offers) {
  for (const Offer& offer : offers) {
    if (offer.threads == 0) return "the MPI library was not started for several threads";
    std::uint64_t of_node = 0;
    for (const Offer& other : offers) of_node += other.node == offer.node ? other.bytes : 0;
    if (of_node > offer.available / 2)
      return fmt::format("a copy takes {} MB of the {} MB that are free on a node",
                         of_node / 1000000, offer.available / 1000000);
  }
  return "";
}

}  // namespace

std::string describe(const Saved& saved) {
  constexpr double megabyte = 1e6;
  const SaveTimes& times = saved.times;
  const double size = static_cast<double>(times.bytes) / megabyte;
  return fmt::format(
      "{}: {:.1f} MB written in {:.2f} s ({:.0f} MB/s), checked in {:.2f} s; training waited for "
      "{:.2f} s",
      saved.path, size, times.write_seconds, size / times.write_seconds, times.check_seconds,
      saved.stall_seconds);
}

// ---- the copy

BackgroundSaver::Copy::~Copy() { std::free(values_); }

namespace {

/// A part of an array and where its copy goes.
struct Piece {
  const float* from;
  float* to;
  std::int64_t bytes;
};

/// Thread t of n copies pieces t, t + n, ...
void copy_pieces(const std::vector<Piece>& pieces, int threads) {
  const auto copy_every_nth = [&](std::size_t first) {
    for (std::size_t i = first; i < pieces.size(); i += threads)
      std::memcpy(pieces[i].to, pieces[i].from, pieces[i].bytes);
  };
  std::vector<std::jthread> helpers;
  int started = 1;
  try {
    for (; started < threads; ++started) helpers.emplace_back(copy_every_nth, started);
  } catch (const std::system_error&) {  // this thread does the work of those that are missing
  }
  for (int t = started; t < threads; ++t) copy_every_nth(t);
  copy_every_nth(0);
}

}  // namespace

std::vector<ArraySlice> BackgroundSaver::Copy::take(std::vector<ArraySlice> arrays, int threads) {
  constexpr std::int64_t huge_page = 2 << 20;
  const std::int64_t bytes = bytes_of(arrays);
  if (bytes > bytes_) {
    std::free(values_);
    bytes_ = (bytes + huge_page - 1) / huge_page * huge_page;
    values_ = static_cast<float*>(std::aligned_alloc(huge_page, bytes_));
    if (!values_) throw std::bad_alloc();
    ::madvise(values_, bytes_, MADV_HUGEPAGE);  // a wish: the first copy then takes half as long
  }
  constexpr std::int64_t piece = 1 << 20;  // floats
  constexpr std::int64_t width = sizeof(float);
  std::vector<Piece> pieces;
  float* next = values_;
  for (ArraySlice& array : arrays) {
    const std::int64_t count = bytes_of(array) / width;
    for (std::int64_t at = 0; at < count; at += piece)
      pieces.push_back({array.data + at, next + at, std::min(piece, count - at) * width});
    array.data = next;
    next += count;
  }
  copy_pieces(pieces, threads);
  return arrays;
}

// ---- saving

BackgroundSaver::~BackgroundSaver() {
  if (thread_.joinable()) thread_.join();
}

void BackgroundSaver::decide(const std::vector<ArraySlice>& arrays) {
  const WriterRanks& ranks = folder_.ranks();
  const Offer mine{node(), static_cast<std::uint64_t>(bytes_of(arrays)),
                   static_cast<std::uint64_t>(free_memory_()),
                   ranks.may_use_threads() ? std::uint64_t{1} : 0};
  const std::vector<Offer> offers = exchange(mine, ranks);
  const std::string why_not = obstacle(offers);
  copying_threads_ = cores_for_each(offers, mine.node);
  way_ = why_not.empty() ? Way::background : Way::foreground;
  if (!why_not.empty()) log::warn("training waits while checkpoints are written: {}", why_not);
}

void BackgroundSaver::write(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays,
                            double begun, std::optional<double> stall) {
  try {
    const std::string path = folder_.save(meta, arrays);
    const double total = seconds_now() - begun;
    saved_.push_back({path, meta.step, folder_.times(), total, stall.value_or(total)});
  } catch (...) {
    error_ = std::current_exception();
  }
}

void BackgroundSaver::save(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays) {
  const double begun = seconds_now();
  settle();
  if (way_ == Way::undecided) decide(arrays);
  if (way_ == Way::foreground) return save_now(meta, arrays);
  std::vector<ArraySlice> copied = copy_.take(arrays, copying_threads_);
  const double stall = seconds_now() - begun;
  is_writing_ = true;
  try {
    thread_ = std::thread([this, meta, copied, begun, stall] {
      write(meta, copied, begun, stall);
      is_writing_ = false;
    });
  } catch (const std::system_error&) {
    is_writing_ = false;
    save_now(meta, copied);
  }
}

void BackgroundSaver::save_now(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays) {
  const double begun = seconds_now();
  settle();
  write(meta, arrays, begun, std::nullopt);
  settle();
}

void BackgroundSaver::settle() {
  if (thread_.joinable()) thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::vector<Saved> BackgroundSaver::ended() {
  if (is_writing_) return {};
  return wait();
}

std::vector<Saved> BackgroundSaver::wait() {
  settle();
  return std::exchange(saved_, {});
}

}  // namespace dfascale
