// Scripts, their execution, and the colours.
#include "analysis/gnuplot.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "analysis/issue.hpp"
#include "analysis/output.hpp"
#include "base/error.hpp"

extern char** environ;  // NOLINT: POSIX names it

namespace dfascale::fit {
namespace {

/// Colours that stay apart for colour-blind readers (after Okabe and Ito); lightness differs as
/// well.
constexpr std::array<Look, 8> looks = {{{"#0a4c86", "#9cc0df", 1, 7},
                                        {"#d55e00", "#f4bd94", 2, 5},
                                        {"#009e73", "#99d8c7", 4, 9},
                                        {"#b0468c", "#e3bcd5", 3, 13},
                                        {"#e69f00", "#f5d999", 5, 11},
                                        {"#56b4e9", "#bbe1f6", 2, 4},
                                        {"#222222", "#bbbbbb", 3, 6},
                                        {"#8a6d3b", "#d6c8a9", 4, 8}}};

constexpr std::array endings = {".png", ".svg"};

/// The first line of a script.
std::string first_line(const std::string& name) {
  return fmt::format("# gnuplot {0}.gp   draws {0}.png and {0}.svg", name);
}

/// A new folder that nobody else can write into, where gnuplot, which follows links, draws.
class DrawingFolder {
 public:
  explicit DrawingFolder(const std::filesystem::path& above)
      : path_((above / ".dfascale-fit-XXXXXX").string()) {
    if (!::mkdtemp(path_.data()))
      throw InputError("cannot_write", "cannot make a folder: " + system_reason(path_));
  }
  ~DrawingFolder() { ::rmdir(path_.c_str()); }
  DrawingFolder(const DrawingFolder&) = delete;
  DrawingFolder& operator=(const DrawingFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

int run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::string program = "gnuplot", argument = script;
  std::array<char*, 3> arguments = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 127;
  if (failed == 0 && waitpid(child, &status, 0) < 0) status = 127;
  return failed != 0 ? failed : status;
}

}  // namespace

Look look(std::size_t i) {
  constexpr std::array<int, 8> other_points = {6, 4, 8, 12, 10, 5, 7, 9};
  Look style = looks[i % looks.size()];
  if (i / looks.size() % 2 == 1) {
    style.point = other_points[i % looks.size()];
    style.dash = style.dash % 5 + 1;
  }
  return style;
}

Figure::Figure(std::string name, int height) : name_(std::move(name)), height_(height) {}

std::string Figure::data(const std::vector<std::string>& rows) {
  std::string name = fmt::format("$data{}", ++block_count_);
  blocks_ += name + " << EOD\n";
  for (const std::string& row : rows) blocks_ += row + "\n";
  blocks_ += "EOD\n";
  return name;
}

std::string Figure::script() const {
  return fmt::format(
      "{5}\n{1}"
      "do for [kind in \"png svg\"] {{\n"
      "  if (kind eq \"png\") {{\n"
      "    set terminal pngcairo size 1800,{2} font \"DejaVu Sans,13\" fontscale 2 linewidth 2 "
      "pointscale 2 background \"white\" enhanced\n"
      "  }} else {{\n"
      "    set terminal svg size 900,{3} font \"DejaVu Sans,13\" linewidth 1 background \"white\" "
      "enhanced\n"
      "  }}\n"
      "  set output \"{0}.\".kind\n{4}"
      "  unset output\n}}\n",
      name_, blocks_, 2 * height_, height_, commands_, first_line(name_));
}

bool Figure::render(const std::filesystem::path& folder) const {
  remove_figure(folder, name_);
  write_file(folder / (name_ + ".gp"), script());
  const DrawingFolder drawing(folder);
  const bool is_drawn = run_gnuplot(drawing.path(), "../" + name_ + ".gp") == 0;
  for (const char* ending : endings) {
    const std::filesystem::path drawn = std::filesystem::path(drawing.path()) / (name_ + ending);
    std::error_code none;
    if (is_drawn) std::filesystem::rename(drawn, folder / (name_ + ending), none);
    std::filesystem::remove(drawn, none);
  }
  return is_drawn;
}

TopKey::TopKey(std::size_t entries, std::size_t longest, std::size_t unseen_characters)
    : unseen(unseen_characters) {
  constexpr std::size_t row_pixels = 24, sample_pixels = 80, character_pixels = 9, width = 880;
  const std::size_t column_pixels = sample_pixels + character_pixels * longest;
  const std::size_t most = std::clamp<std::size_t>(width / column_pixels, 1, 4);
  rows = std::max<std::size_t>(1, (entries + most - 1) / most);
  height = static_cast<int>(row_pixels * rows) + 12;
  const std::size_t columns = (entries + rows - 1) / rows;
  left = std::max(0.02, 0.5 - static_cast<double>(columns * column_pixels) / (2.0 * 900));
}

std::string TopKey::place(int figure_height) const {
  return fmt::format(
      "  set key at screen {:.4f},{:.4f} left top vertical maxrows {} Left reverse samplen 3.5 "
      "spacing 1.2 width -{}\n",
      left, 1 - 6.0 / figure_height, rows, unseen);
}

double TopKey::end(int figure_height, int below) const {
  return 1 - static_cast<double>(height + below) / figure_height;
}

std::string TopKey::commands(int figure_height) const {
  return place(figure_height) + fmt::format("  set tmargin at screen {:.4f}\n", end(figure_height));
}

std::size_t visible_length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // not the rest of a character
  }));
}

std::string axes_style() {
  return "  set border 3 lc rgb \"#444444\"\n  set tics nomirror out\n"
         "  set grid lc rgb \"#c8c8c8\" lw 0.6 dt 3\n  set rmargin 4\n";
}

void remove_figure(const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path script = folder / (name + ".gp");
  std::string first;
  std::getline(std::ifstream(script) >> std::ws, first);
  if (first != first_line(name)) return;
  std::error_code ignored;
  for (const char* ending : endings) std::filesystem::remove(folder / (name + ending), ignored);
  std::filesystem::remove(script, ignored);
}

std::vector<double> log_ticks(double low, double high) {
  const auto within = [&](double v) { return v >= low * 0.999999 && v <= high * 1.000001; };
  const auto whole = [](double v) { return static_cast<int>(std::floor(v)); };
  for (const auto& pattern :
       {std::vector<double>{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 4, 5, 6, 8}}) {
    std::vector<double> ticks;
    for (int decade = whole(std::log10(low)); decade <= whole(std::log10(high)); ++decade)
      for (const double digit : pattern)
        if (within(digit * std::pow(10, decade))) ticks.push_back(digit * std::pow(10, decade));
    if (ticks.size() >= 4) return ticks;
  }
  double step = std::pow(10, std::floor(std::log10(high - low)));
  for (const double part : {0.5, 0.4, 0.5, 0.5})
    if ((high - low) / step < 4) step *= part;
  std::vector<double> ticks;
  for (int i = whole(low / step); i <= whole(high / step); ++i)
    if (within(i * step)) ticks.push_back(i * step);
  return ticks;
}

std::string tick_command(char axis, const std::vector<double>& places) {
  std::string text = fmt::format("  set {}tics (", axis);
  for (std::size_t i = 0; i < places.size(); ++i)
    text += fmt::format("{}\"{:.4g}\" {:.10g}", i ? ", " : "", places[i], places[i]);
  return text + ")\n";
}

}  // namespace dfascale::fit
