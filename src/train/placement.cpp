#include "train/placement.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "base/log.hpp"
#include "io/run_folder.hpp"

namespace dfascale {
namespace {

/// Numbers first .. last.
struct Range {
  std::int64_t first, last;
  bool operator==(const Range&) const = default;
  bool is_followed_by(const Range& next) const { return next.first == last + 1; }
};

std::string text_of(const char* one, const char* many, const Range& range) {
  return range.first == range.last ? fmt::format("{} {}", one, range.first)
                                   : fmt::format("{} {}-{}", many, range.first, range.last);
}

/// Replicas at neighbouring places of their pipelines.
struct Part {
  Range replicas, places;
  std::string text() const {
    return fmt::format("{}, {}", text_of("replica", "replicas", replicas),
                       text_of("pipeline rank", "pipeline ranks", places));
  }
  /// This and the next together, if that is a part again.
  std::optional<Part> with(const Part& next) const {
    if (places == next.places && replicas.is_followed_by(next.replicas))
      return Part{{replicas.first, next.replicas.last}, places};
    if (replicas == next.replicas && places.is_followed_by(next.places))
      return Part{replicas, {places.first, next.places.last}};
    return std::nullopt;
  }
};

/// Neighbouring nodes that hold one part, or a node that holds several.
struct Nodes {
  std::string first, last;
  std::int64_t count = 1;
  std::vector<Part> parts;

  std::string text() const {
    std::string text = count == 1 ? first : fmt::format("{} to {} ({} nodes)", first, last, count);
    for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? ": " : "; ") + parts[i].text();
    return text;
  }
  bool take(const Nodes& next) {
    if (parts.size() != 1 || next.parts.size() != 1) return false;
    const std::optional<Part> both = parts.front().with(next.parts.front());
    if (!both) return false;
    parts = {*both};
    last = next.last;
    count += next.count;
    return true;
  }
};

/// Each part joined with the one before where they make one.
void add(std::vector<Part>& parts, const Part& next) {
  const std::optional<Part> both = parts.empty() ? std::nullopt : parts.back().with(next);
  if (both) parts.back() = *both;
  else parts.push_back(next);
}

/// What a node's ranks, ascending, hold: by place in the pipeline, then equal places together.
std::vector<Part> parts_of(const std::vector<std::int64_t>& ranks, std::int64_t dp) {
  std::vector<Part> by_place, parts;
  for (const std::int64_t rank : ranks) {
    const std::int64_t replica = rank % dp, place = rank / dp;
    const Part one{{replica, replica}, {place, place}};
    const bool same_place = !by_place.empty() && by_place.back().places == one.places;
    if (same_place) add(by_place, one);
    else by_place.push_back(one);
  }
  for (const Part& part : by_place) add(parts, part);
  return parts;
}

}  // namespace

std::vector<std::string> placement(const std::vector<std::string>& hosts, std::int64_t dp,
                                   std::size_t shown) {
  std::vector<std::string> names;  // in the order of their first ranks
  std::map<std::string, std::vector<std::int64_t>> ranks;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    if (!ranks.contains(hosts[rank])) names.push_back(hosts[rank]);
    ranks[hosts[rank]].push_back(static_cast<std::int64_t>(rank));
  }
  std::vector<Nodes> groups;
  for (const std::string& name : names) {
    const Nodes node{name, name, 1, parts_of(ranks[name], dp)};
    if (groups.empty() || !groups.back().take(node)) groups.push_back(node);
  }
  std::vector<std::string> lines;
  std::int64_t left_out = 0;
  for (const Nodes& group : groups) {
    if (lines.size() < shown) lines.push_back(group.text());
    else left_out += group.count;
  }
  if (left_out > 0) lines.push_back(fmt::format("and {} more node(s)", left_out));
  return lines;
}

void say_placement(const Comm& world, std::int64_t dp) {
  if (world.size() == 1) return;
  const std::vector<std::string> hosts = world.gather(host_name());
  if (world.rank() != 0) return;
  const char* title = "placement";
  for (const std::string& line : placement(hosts, dp)) {
    log::say("{:<16}{}", title, line);
    title = "";
  }
}

}  // namespace dfascale
