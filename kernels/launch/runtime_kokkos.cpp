// Kokkos, any version from 3.4 on.
#include <omp.h>

#include <Kokkos_Core.hpp>
#include <string>
#include <type_traits>
#include <utility>

#include "kernels/launch/kokkos_variables.hpp"
#include "kernels/launch/runtime.hpp"

namespace dfascale::launch {

#if KOKKOS_VERSION >= 30700
/// One thread on a host needs no advice on how threads are bound, from every rank.
static Kokkos::InitializationSettings settings(int threads, int card) {
  const bool on_host =
      std::is_same_v<Kokkos::DefaultExecutionSpace, Kokkos::DefaultHostExecutionSpace>;
  auto chosen = Kokkos::InitializationSettings().set_num_threads(threads).set_device_id(card);
  if (on_host && threads == 1) chosen.set_disable_warnings(true);
  return chosen;
}
#else
static Kokkos::InitArguments settings(int threads, int card) {
  return Kokkos::InitArguments(threads, -1, card);
}
#endif

struct Runtime::State {
  Kokkos::ScopeGuard guard;
};

Runtime::Runtime(int threads, int card) {
  remove_kokkos_variables();
  state_.reset(new State{Kokkos::ScopeGuard(settings(threads, card))});
}
Runtime::~Runtime() = default;

std::string runtime_name() {
  return "Kokkos " + std::to_string(KOKKOS_VERSION / 10000) + "." +
         std::to_string(KOKKOS_VERSION / 100 % 100) + "." + std::to_string(KOKKOS_VERSION % 100) +
         " " + Kokkos::DefaultExecutionSpace::name();
}

// Kokkos' hooks are plain functions; a program has one set of them.  Kernels are not nested.
static KernelWatch watching;
static std::string current;

static void before_kernel(const char* name, std::uint32_t, std::uint64_t*) {
  current = name;
  watching.before(name);
}
static void after_kernel(std::uint64_t) { watching.after(current.c_str()); }

void watch_kernels(KernelWatch watch) {
  namespace hooks = Kokkos::Tools::Experimental;
  watching = std::move(watch);
  const auto before = watching.before ? before_kernel : nullptr;
  const auto after = watching.after ? after_kernel : nullptr;
  hooks::set_begin_parallel_for_callback(before);
  hooks::set_end_parallel_for_callback(after);
  hooks::set_begin_parallel_reduce_callback(before);
  hooks::set_end_parallel_reduce_callback(after);
}

#ifdef KOKKOS_ENABLE_OPENMP
int workers() { return omp_get_max_threads(); }
#else
int workers() { return 1; }
#endif

/// Kokkos does not promise it of its launches.
bool can_be_recorded() { return false; }

void wait() { Kokkos::fence(); }

}  // namespace dfascale::launch
