// How much ln L differs from run to run beyond what smoothing sees: seeds, initialisation.
#pragma once

#include "analysis/method.hpp"

namespace dfascale::fit {

/// From runs of equal size if there are any, else from the surface, else the default.
RunSd estimate_run_sd(const Method& method, double default_sd);

}  // namespace dfascale::fit
