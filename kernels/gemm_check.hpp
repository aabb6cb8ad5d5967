// Do the library's products come out right, on this machine and with these threads?
#pragma once

#include "kernels/device.hpp"

namespace dfascale {

/// Multiplies a few matrices of small whole numbers, of which every sum is exact, and compares with
/// sums taken in another order.  Takes some milliseconds.  Throws Error(Exit::device) where they
/// differ: shares of a product were left out, or the library is broken.
void check_products(const Device& on);

}  // namespace dfascale
