// The bootstrap: replicates of a method's data, each refitted from frontier to laws.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/method.hpp"

namespace dfascale::fit {

/// What is kept of a replicate.
struct Replicate {
  PowerFit power;
  OffsetFit offset;
  SurfaceFit surface;
};

struct Bootstrap {
  BootstrapKind kind = BootstrapKind::automatic;  ///< the one used
  std::vector<Replicate> replicates;              ///< empty: no bootstrap asked for
};

Bootstrap bootstrap(const Method& method, const Options& options);

/// The kind that `auto` stands for with this method.
BootstrapKind resolve_kind(const Method& method, BootstrapKind asked);

/// A 95 % interval, nothing with fewer than 20 values.
struct Interval {
  double low, high;
};
std::optional<Interval> interval(std::vector<double> values);

/// Quantile by linear interpolation (R type 7) of ascending values.
double quantile(const std::vector<double>& ascending, double share);

}  // namespace dfascale::fit
