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
/// The look of the i-th method: eight colours, then the same with other points and dashes.
Look look(std::size_t i);

/// A figure in the making.
class Figure {
 public:
  Figure(std::string name, int height);
  /// Makes room, for a key.
  void grow(int pixels) { height_ += pixels; }
  int height() const { return height_; }

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

/// A key above the plot, in as many columns as fit into 900 pixels.
struct TopKey {
  std::size_t rows;
  int height;   ///< pixels that it adds to the figure
  double left;  ///< where it begins, as a share of the width
  std::size_t unseen;

  /// For so many entries, the longest with so many visible characters; `unseen` more are markup or
  /// the rest of characters of several bytes, which gnuplot counts.
  TopKey(std::size_t entries, std::size_t longest, std::size_t unseen = 0);
  /// Places it at the top of a figure of this height in all.
  std::string place(int figure_height) const;
  /// Where it ends, as a share of the figure's height from below; `below` pixels further down.
  double end(int figure_height, int below = 4) const;
  /// Both for a single plot.
  std::string commands(int figure_height) const;
};

/// Visible characters of UTF-8 text.
std::size_t visible_length(std::string_view text);

/// Borders, grid and ticks that all figures with axes share.
std::string axes_style();

/// Removes an earlier figure of this name: files whose script this program wrote.
void remove_figure(const std::filesystem::path& folder, const std::string& name);

/// Places of ticks that suit a logarithmic axis over any range, also less than a decade.
std::vector<double> log_ticks(double low, double high);
/// set xtics / ytics command from places.
std::string tick_command(char axis, const std::vector<double>& places);

}  // namespace dfascale::fit
