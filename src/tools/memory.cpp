#include "tools/memory.hpp"

#include "base/log.hpp"
#include "planning/memory_budget.hpp"

namespace dfascale {
namespace {

/// As the deck says, or of the slowest rank, all measuring at once, as they will use it.
StoreSpeed common_speed(const Comm& comm, const RunSettings& run) {
  const double given = 1e9 * run.offload_gb_per_s;
  if (given > 0) return {given, given, device_flops_assumed()};
  constexpr std::int64_t transfer = 32 << 20;  // what a block of a model of 57M sends, or so
  comm.barrier();
  const StoreSpeed own = speed_of_store(Device{}, run.offload, transfer);
  return {comm.min(own.save), comm.min(own.fetch), comm.min(own.flops)};
}

}  // namespace

MemoryForecast forecast_memory(const Comm& comm, const Settings& s) {
  MemoryUse use;
  if (s.run.alignment_steps > 0) use.probe = MemoryUse::Probe::alignment;
  if (Gemm::workspace_bytes() > 0)
    use.beside.push_back({"workspace of matrix products", Gemm::workspace_bytes()});
  use.beside.push_back({"program and libraries", comm.max(device_bytes_in_use())});
  MemoryForecast forecast{Training::of(s), {}};
  if (!s.run.offload.empty()) forecast.training.elsewhere.speed = common_speed(comm, s.run);
  forecast.training.recomputation = fit_to_memory(forecast.training, use, s.run.memory);
  for (int place = 0; place < s.parallel.pp; ++place) {
    std::vector<MemoryRow> rows = memory_of_place(forecast.training, place, use);
    if (bytes_of(rows) > bytes_of(forecast.rows)) forecast.rows = std::move(rows);
  }
  return forecast;
}

std::string store_text(const MemoryForecast& forecast) {
  const Elsewhere& elsewhere = forecast.training.elsewhere;
  if (!elsewhere.speed.known()) return "";
  return fmt::format("{}: {:.2f} GB/s written, {:.2f} read by each rank", elsewhere.where,
                     elsewhere.speed.save / 1e9, elsewhere.speed.fetch / 1e9);
}

void say_memory(const MemoryForecast& forecast) {
  log::say("memory per rank");
  for (const std::string& line : memory_table(forecast.rows)) log::line(line);
  const std::string again = recomputation_text(forecast.training);
  if (!again.empty()) log::say("recomputed      {}", again);
  const std::string store = store_text(forecast);
  if (!store.empty()) log::say("offload         {}", store);
}

}  // namespace dfascale
