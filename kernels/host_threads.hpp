// The threads that a rank of a host build computes with.  Products are planned for a number of
// threads before OpenMP gives them; where it gave fewer, the shares of those missing would be left
// out of the products without a word.
#pragma once

namespace dfascale {

/// The number of threads, which every parallel region from now on has: as OMP_NUM_THREADS says, or
/// one; fewer where OpenMP gives fewer, with a warning.  Throws Error(Exit::usage) where
/// OMP_NUM_THREADS is no such number, Error(Exit::device) where so many cannot be started.
int start_threads();

}  // namespace dfascale
