// dfascale checkpoint diff: where two checkpoints differ, and by how much.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/checkpoint.hpp"
#include "tools/checkpoint_tools.hpp"
#include "tools/trained_model.hpp"
#include "train/checkpoint_contents.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;
using Sizes = std::vector<std::int64_t>;

constexpr int same = 0, different = 1;        // as diff has it
constexpr std::int64_t band_bytes = 8 << 20;  // compared at a time

/// One array of both.  An empty shape: the file does not have it.
struct ArrayDiff {
  std::string path;
  Sizes shape_one, shape_other;
  std::int64_t differing = 0;  ///< elements whose bits differ
  double largest = 0, relative = 0;

  bool comparable() const { return shape_one == shape_other; }
  bool is_same() const { return comparable() && differing == 0; }
};

/// Adds up what differs between bands of values, in double.
struct Sums {
  std::int64_t differing = 0;
  double largest = 0, squares = 0, squares_one = 0;

  void add(const std::vector<float>& one, const std::vector<float>& other) {
    if (std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0) {
      for (const float a : one) squares_one += double{a} * a;
      return;
    }
    for (std::size_t i = 0; i < one.size(); ++i) {
      const double apart = double{one[i]} - double{other[i]};
      const bool differ =
          std::bit_cast<std::uint32_t>(one[i]) != std::bit_cast<std::uint32_t>(other[i]);
      differing += differ ? 1 : 0;
      largest = std::max(largest, std::abs(apart));
      squares += apart * apart;
      squares_one += double{one[i]} * one[i];
    }
  }
  double relative() const {
    if (squares == 0) return 0;
    return std::sqrt(squares / squares_one);  // infinite where the first is all zero
  }
};

Sums compare_values(const CheckpointFile& one, const CheckpointFile& other, const std::string& path,
                    const Sizes& shape) {
  const std::int64_t length = shape.size() > 1 ? shape[1] : 1;
  const std::int64_t band = std::max<std::int64_t>(1, band_bytes / (length * 4));
  Sums sums;
  for (std::int64_t first = 0; first < shape.at(0); first += band) {
    const std::int64_t rows = std::min(band, shape[0] - first);
    std::vector<float> a(rows * length), b(a.size());
    one.read(path, first, rows, a.data());
    other.read(path, first, rows, b.data());
    sums.add(a, b);
  }
  return sums;
}

ArrayDiff compare(const CheckpointFile& one, const CheckpointFile& other, const std::string& path) {
  ArrayDiff diff{path, one.has(path) ? one.shape(path) : Sizes{},
                 other.has(path) ? other.shape(path) : Sizes{}};
  if (!diff.comparable()) return diff;
  const Sums sums = compare_values(one, other, path, diff.shape_one);
  diff.differing = sums.differing;
  diff.largest = sums.largest;
  diff.relative = sums.relative();
  return diff;
}

/// Arrays of either file, parameters first.
std::vector<std::string> paths_of(const CheckpointFile& one, const CheckpointFile& other,
                                  Compared compared) {
  std::vector<std::string> paths = one.paths();
  paths.insert(paths.end(), other.paths().begin(), other.paths().end());
  const auto is_moment = [](const std::string& path) { return !path.starts_with("/params/"); };
  if (compared == Compared::params) std::erase_if(paths, is_moment);
  std::sort(paths.begin(), paths.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(is_moment(a), a) < std::pair(is_moment(b), b);
  });
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

std::string shape_text(const Sizes& shape) {
  return shape.empty() ? "missing" : fmt::format("[{}]", fmt::join(shape, ", "));
}

void print(const std::vector<ArrayDiff>& all, const DiffOptions& options) {
  for (const ArrayDiff& diff : all) {
    if (diff.is_same() && options.printed == Printed::different) continue;
    if (!diff.comparable())
      log::say("{:<44} {} in A, {} in B", diff.path, shape_text(diff.shape_one),
               shape_text(diff.shape_other));
    else
      log::say("{:<44} {} differ  |a-b| {:.3e}  rel {:.3e}", diff.path, diff.differing,
               diff.largest, diff.relative);
  }
}

Json json_of(const ArrayDiff& diff) {
  Json json = {{"array", diff.path}, {"same", diff.is_same()}};
  if (!diff.comparable()) {
    json["shape_a"] = diff.shape_one;
    json["shape_b"] = diff.shape_other;
    return json;
  }
  json["shape"] = diff.shape_one;
  json["differing"] = diff.differing;
  json["largest"] = diff.largest;
  json["relative"] = diff.relative;
  return json;
}

CheckpointFile open_named(const std::string& where, std::string& name) {
  return open_checkpoint_at(where, [&](const std::string& file) {
    name = file;
    return CheckpointFile(file, contents_of);
  });
}

}  // namespace

int diff_checkpoints(const DiffOptions& options) {
  std::string a, b;
  const CheckpointFile one = open_named(options.one, a), other = open_named(options.other, b);
  std::vector<ArrayDiff> all;
  for (const std::string& path : paths_of(one, other, options.compared))
    all.push_back(compare(one, other, path));
  const auto equal =
      std::count_if(all.begin(), all.end(), [](const ArrayDiff& diff) { return diff.is_same(); });
  const auto count = static_cast<std::int64_t>(all.size());
  if (options.show == Show::json) {
    Json arrays = Json::array();
    for (const ArrayDiff& diff : all) arrays.push_back(json_of(diff));
    log::line(json_text({{"a", a}, {"b", b}, {"same", equal == count}, {"arrays", arrays}}));
  } else {
    log::say("A {} (step {})\nB {} (step {})", a, one.meta().step, b, other.meta().step);
    print(all, options);
    log::say("{} of {} arrays differ", count - equal, count);
  }
  return equal == count ? same : different;
}

}  // namespace dfascale
