#include "tools/memory.hpp"

#include "base/log.hpp"
#include "planning/memory_budget.hpp"

namespace dfascale {

MemoryForecast forecast_memory(const Comm& comm, const Settings& s) {
  MemoryUse use;
  if (s.run.alignment_steps > 0) use.probe = MemoryUse::Probe::alignment;
  if (Gemm::workspace_bytes() > 0)
    use.beside.push_back({"workspace of matrix products", Gemm::workspace_bytes()});
  use.beside.push_back({"program and libraries", comm.max(device_bytes_in_use())});
  MemoryForecast forecast{Training::of(s), {}};
  forecast.training.recomputation = fit_to_memory(forecast.training, use, s.run.memory);
  for (int place = 0; place < s.parallel.pp; ++place) {
    std::vector<MemoryRow> rows = memory_of_place(forecast.training, place, use);
    if (bytes_of(rows) > bytes_of(forecast.rows)) forecast.rows = std::move(rows);
  }
  return forecast;
}

void say_memory(const MemoryForecast& forecast) {
  log::say("memory per rank");
  for (const std::string& line : memory_table(forecast.rows)) log::line(line);
  const std::string again = recomputation_text(forecast.training);
  if (!again.empty()) log::say("recomputed      {}", again);
}

}  // namespace dfascale
