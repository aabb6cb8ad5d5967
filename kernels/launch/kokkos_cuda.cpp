// What a Kokkos with CUDA needs beside runtime_kokkos.cpp; compiled by nvcc.
#include <cstdint>
#include <vector>

#include "kernels/cuda/launch.hpp"
#include "kernels/launch/kokkos_gpu.hpp"

namespace dfascale::launch {

/// One for each stream: a space owns memory on the card, so it is made once and kept until Kokkos
/// ends; so long the stream must live.
static std::vector<Space> spaces;

Space space_of(const Device& on) {
  for (const Space& space : spaces) {
    if (space.cuda_stream() == stream_of(on)) return space;
  }
  if (spaces.empty()) Kokkos::push_finalize_hook([] { spaces.clear(); });
  return spaces.emplace_back(stream_of(on));
}

// Kernels that do not go through Kokkos are told to its hooks, where watch_kernels listens.
static std::uint64_t started = 0;

void begin_launch(const char* name) { Kokkos::Tools::beginParallelFor(name, 0, &started); }

void end_launch(const char* name) {
  expect_launched(name);
  Kokkos::Tools::endParallelFor(started);
}

}  // namespace dfascale::launch
