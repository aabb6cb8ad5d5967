#include "pipeline/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "pipeline/actions.hpp"

namespace dfascale {
namespace {

constexpr double picture_width = 1400, row_height = 22, margin = 60, top = 60;  // pixels
constexpr double least_width = 0.3, least_label_width = 16;
constexpr int ticks = 10;

struct Colour {
  std::string_view name, fill;
};
/// By Pastime; weight gradients have one of their own.
constexpr std::array<Colour, pastimes> colours = {{{"forward", "#6baed6"},
                                                   {"backward", "#74c476"},
                                                   {"update", "#9e9ac8"},
                                                   {"communication", "#fd8d3c"},
                                                   {"idle", "#f0f0f0"}}};
constexpr Colour weight_colour = {"backward, weights", "#c7e9c0"};

const Colour& colour_of(const Execution::Event& e) {
  if (e.action.op == Op::backward_weight && e.pastime == Pastime::backward) return weight_colour;
  return colours[static_cast<std::size_t>(e.pastime)];
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') safe += "&amp;";
    else if (c == '<') safe += "&lt;";
    else if (c == '>') safe += "&gt;";
    else safe += c;
  }
  return safe;
}

using Out = std::back_insert_iterator<std::string>;

void draw_box(Out out, const Execution::Event& e, double scale) {
  const double x = margin + e.start * scale, width = (e.end - e.start) * scale;
  const double y = top + e.rank * row_height;
  if (width < least_width) return;
  fmt::format_to(out,
                 "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\" "
                 "stroke=\"white\" stroke-width=\"0.5\"/>\n",
                 x, y, width, row_height - 2, colour_of(e).fill);
  const bool is_work = e.pastime != Pastime::idle && e.pastime != Pastime::communication;
  if (width >= least_label_width && is_work)
    fmt::format_to(out, "<text x=\"{:.2f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                   x + width / 2, y + row_height - 8, short_name(e.action));
}

void draw_legend(Out out, const std::string& title) {
  fmt::format_to(out, "<text x=\"{}\" y=\"18\" font-size=\"14\">{}</text>\n", margin,
                 escaped(title));
  double x = margin;
  const auto entry = [&](const Colour& c) {
    fmt::format_to(out,
                   "<rect x=\"{}\" y=\"28\" width=\"12\" height=\"12\" fill=\"{}\"/><text "
                   "x=\"{}\" y=\"38\">{}</text>\n",
                   x, c.fill, x + 16, c.name);
    x += 130;
  };
  for (const Colour& c : colours) entry(c);
  entry(weight_colour);
}

void draw_axes(Out out, std::size_t ranks, double scale, double end) {
  for (std::size_t r = 0; r < ranks; ++r)
    fmt::format_to(out, "<text x=\"8\" y=\"{}\">rank {}</text>\n",
                   top + static_cast<double>(r + 1) * row_height - 8, r);
  const double y = top + static_cast<double>(ranks) * row_height + 14;
  for (int i = 0; i <= ticks; ++i) {
    const double t = end * i / ticks;
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.4g} s</text>\n",
                   margin + t * scale, y, t);
  }
}

}  // namespace

std::string timeline_svg(const std::vector<Execution::Event>& events, std::size_t ranks,
                         const std::string& title) {
  double end = 0;
  for (const Execution::Event& e : events) end = std::max(end, e.end);
  const double scale = end > 0 ? picture_width / end : 1;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n",
      picture_width + 2 * margin, top + static_cast<double>(ranks) * row_height + 30);
  const auto out = std::back_inserter(svg);
  draw_legend(out, title);
  for (const Execution::Event& e : events) draw_box(out, e, scale);
  draw_axes(out, ranks, scale, end);
  return svg + "</svg>\n";
}

std::string timeline_trace(const std::vector<Execution::Event>& events) {
  std::string json = "[\n";
  for (const Execution::Event& e : events) {
    std::string name(e.pastime == Pastime::idle ? "idle" : facts_of(e.action.op).name);
    if (e.action.micro_batch >= 0 && e.pastime != Pastime::idle)
      name += fmt::format(" {}", e.action.micro_batch);
    fmt::format_to(std::back_inserter(json),
                   "{}{{\"name\":\"{}\",\"cat\":\"{}\",\"ph\":\"X\",\"pid\":0,\"tid\":{},"
                   "\"ts\":{:.3f},\"dur\":{:.3f},\"args\":{{\"step\":{},\"stage\":{},"
                   "\"micro_batch\":{}}}}}",
                   json.size() > 2 ? ",\n" : "", name,
                   colours[static_cast<std::size_t>(e.pastime)].name, e.rank, 1e6 * e.start,
                   1e6 * (e.end - e.start), e.step, e.action.stage, e.action.micro_batch);
  }
  return json + "\n]\n";
}

}  // namespace dfascale
