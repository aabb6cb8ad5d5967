// What the user asked dfascale-fit for: one plain struct, defaults written once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dfascale::fit {

enum class Accounting { paper, optimistic, exact, seconds };
enum class Loss { train, validation };
enum class BootstrapKind { automatic, seed, block, parametric, pairs };
enum class Classify { automatic, power, offset };
enum class Surface { fitted, skipped };

/// Every option of the command line.  Lengths of ranges are differences of ln C.
struct Options {
  std::vector<std::string> run_folders;
  std::vector<std::string> csv_files;
  std::string out;
  Accounting accounting = Accounting::paper;
  Loss loss = Loss::train;
  std::vector<std::string> methods;  ///< empty: all
  std::string reference = "bp";
  std::map<std::string, double> factors;  ///< method -> F of C = F N D
  std::int64_t bootstrap = 200;           ///< replicates
  std::uint64_t seed = 1;
  BootstrapKind bootstrap_kind = BootstrapKind::automatic;
  Classify classify = Classify::automatic;
  Surface surface = Surface::fitted;
  double bin = 0.05;          ///< width of a bin
  double h = 0.6;             ///< half width of the smoother's window
  double warmup_frac = 0.02;  ///< share of a run's tokens left out at its start
  double edge_keep = 0.7;     ///< kept beyond the first and last change of owner
  std::int64_t min_points = 5;
  double min_span = 1.0;
  double min_span_offset = 1.5;
  double huber = 1e-3;
  double horizon = 1.0;  ///< decades beyond the common range
  double confidence = 0.9;
  double equiv = 0.005;  ///< |difference of ln L| that counts as none
  double min_overlap = 0.5;
  double curved = 0.7;  ///< ratio of rmse below which a frontier is called curved
  double run_sd = 0.002;
  int threads = 0;  ///< 0: all cores; never changes a result
};

/// The words of the command line and of fit.json.
std::string word(Accounting value);
std::string word(Loss value);
std::string word(BootstrapKind value);
std::string word(Classify value);

/// Thrown for a wrong command line; main turns it into exit status 2 (or 0 after --help).
struct UsageExit {
  int status;
};

/// Reads the command line; prints help or the mistake itself and throws UsageExit.
Options parse_options(int argc, const char* const* argv);

}  // namespace dfascale::fit
