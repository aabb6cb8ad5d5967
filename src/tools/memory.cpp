#include "tools/memory.hpp"

#include "base/log.hpp"
#include "train/alignment.hpp"

namespace dfascale {

std::int64_t bytes_of(const std::vector<MemoryRow>& rows) {
  std::int64_t sum = 0;
  for (const MemoryRow& row : rows) sum += row.bytes;
  return sum;
}

std::vector<MemoryRow> predicted_memory(const Settings& s) {
  const Training training = Training::of(s);
  std::vector<MemoryRow> largest;
  for (int place = 0; place < s.parallel.pp; ++place) {
    std::vector<MemoryRow> rows = ParallelLearner::planned_memory(training, place);
    if (s.run.alignment_steps > 0)
      rows.push_back({"alignment probe", AlignmentProbe::planned_bytes(training, place)});
    if (bytes_of(rows) > bytes_of(largest)) largest = std::move(rows);
  }
  if (Gemm::workspace_bytes() > 0)
    largest.push_back({"workspace of matrix products", Gemm::workspace_bytes()});
  largest.push_back({"program and libraries", device_bytes_in_use()});
  return largest;
}

void say_memory(const std::vector<MemoryRow>& rows) {
  log::say("memory per rank");
  for (const MemoryRow& row : rows)
    log::say("  {:<28}{:>10.1f} MB", row.what, static_cast<double>(row.bytes) / 1e6);
  log::say("  {:<28}{:>10.1f} MB", "in all", static_cast<double>(bytes_of(rows)) / 1e6);
}

}  // namespace dfascale
