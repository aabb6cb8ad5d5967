#include "pipeline/grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace dfascale {
namespace {

constexpr std::size_t shown_actions = 6;  // to either side of the one in brackets
constexpr std::size_t shown_ranks = 16;
constexpr std::size_t line_width = 160;

using Line = std::vector<std::string>;

std::string name_of(const Execution::Event& e, bool several_stages) {
  if (e.pastime == Pastime::idle) return "--";
  if (e.pastime == Pastime::communication) return "~~";
  const std::string name = short_name(e.action);
  return several_stages ? fmt::format("{}/{}", name, e.action.stage) : name;
}

/// Who is busy in the middle of a column fills it.
void draw(Line& line, const Execution::Event& e, double unit, bool several_stages) {
  const auto first = static_cast<std::size_t>(std::max(0.0, std::ceil(e.start / unit - 0.5)));
  const auto end = static_cast<std::size_t>(std::max(0.0, std::ceil(e.end / unit - 0.5)));
  if (line.size() < end) line.resize(end, "--");
  const std::string name = name_of(e, several_stages);
  const bool is_work = e.pastime != Pastime::idle && e.pastime != Pastime::communication;
  for (std::size_t i = first; i < end; ++i) line[i] = i == first || !is_work ? name : "..";
}

}  // namespace

std::string row_around(const Plan& plan, std::size_t rank, std::size_t at) {
  const std::vector<Action>& row = plan.rows[rank];
  std::string text = fmt::format("rank {}:", rank);
  const std::size_t first = at > shown_actions ? at - shown_actions : 0;
  const std::size_t end = std::min(row.size(), at + shown_actions + 1);
  if (first > 0) text += " ...";
  for (std::size_t i = first; i < end; ++i) {
    const std::string name = short_name(row[i]);
    text += i == at ? fmt::format(" [{}]", name) : fmt::format(" {}", name);
  }
  return end < row.size() ? text + " ..." : text;
}

std::string time_grid(const Plan& plan, const std::vector<Execution::Event>& events, double unit) {
  const bool several_stages = plan.stages() > plan.ranks();
  std::vector<Line> lines(plan.rows.size());
  for (const Execution::Event& e : events)
    draw(lines[static_cast<std::size_t>(e.rank)], e, unit, several_stages);
  std::size_t widest = 2;
  for (const Line& line : lines)
    for (const std::string& cell : line) widest = std::max(widest, cell.size());
  const std::size_t columns = line_width / (widest + 1);
  std::string text;
  for (std::size_t r = 0; r < lines.size(); ++r) {
    const bool is_cut = lines.size() > shown_ranks;
    if (is_cut && r == shown_ranks / 2) text += "  ...\n";
    if (is_cut && r >= shown_ranks / 2 && r < lines.size() - shown_ranks / 2) continue;
    text += fmt::format("{:>6} ", r);
    for (std::size_t i = 0; i < std::min(columns, lines[r].size()); ++i)
      text += fmt::format(" {:<{}}", lines[r][i], widest);
    text.erase(text.find_last_not_of(' ') + 1);
    text += lines[r].size() > columns ? " ...\n" : "\n";
  }
  return text;
}

}  // namespace dfascale
