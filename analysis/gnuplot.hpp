// Figures by gnuplot: a script that holds its own data is kept beside the PNG and the SVG it draws.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dfascale::fit {

/// Look of one method: told apart by colour, and in grey by dash and point.
struct Look {
  const char* colour;
  const char* tint;  ///< for thin lines and bands
  int dash;
  int point;
};
/// The look of the i-th method (eight, then again).
const Look& look(std::size_t i);

/// A figure in the making.
class Figure {
 public:
  Figure(std::string name, int height);

  /// A data block; returns its name for use in plot commands.  Each row is a line of numbers.
  std::string data(const std::vector<std::string>& rows);
  /// Commands that draw; run once for each of PNG and SVG.
  void draw(std::string_view commands) { commands_ += commands; }

  /// Writes NAME.gp into the folder; true if gnuplot then made NAME.png and NAME.svg.
  bool render(const std::filesystem::path& folder) const;

 private:
  std::string script() const;

  std::string name_;
  int height_;  ///< for a width of 900
  std::string blocks_, commands_;
  int block_count_ = 0;
};

/// Borders, grid and ticks that all figures with axes share.
std::string axes_style();

/// Removes an earlier figure of this name.
void remove_figure(const std::filesystem::path& folder, const std::string& name);

/// Text for a single-quoted gnuplot string in enhanced mode.
std::string escaped(std::string_view text);

/// Places of ticks that suit a logarithmic axis over any range, also less than a decade.
std::vector<double> log_ticks(double low, double high);
/// set xtics / ytics command from places.
std::string tick_command(char axis, const std::vector<double>& places);

}  // namespace dfascale::fit
