#include "tools/memory.hpp"

#include <unistd.h>

#include <fstream>

#include "base/log.hpp"
#include "train/alignment.hpp"

namespace dfascale {
namespace {

/// Bytes of this process in memory now: code, libraries, MPI's buffers.
std::int64_t resident_now() {
  std::int64_t pages_in_all = 0, pages_resident = 0;
  std::ifstream("/proc/self/statm") >> pages_in_all >> pages_resident;
  return pages_resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

std::vector<MemoryRow> predicted_memory(const Settings& s) {
  const Shape shape = shape_of(s.model);
  std::vector<MemoryRow> rows =
      planned_memory(shape, s.rule, s.optim, whole_model_layout(shape, s.micro_batch_sequences()));
  if (s.run.alignment_steps > 0)
    rows.push_back({"alignment probe", planned_probe_bytes(shape, s.micro_batch_sequences())});
  rows.push_back({"program and libraries", resident_now()});
  return rows;
}

void say_memory(const std::vector<MemoryRow>& rows) {
  std::int64_t total = 0;
  log::say("memory per rank");
  for (const MemoryRow& row : rows) {
    log::say("  {:<28}{:>10.1f} MB", row.what, static_cast<double>(row.bytes) / 1e6);
    total += row.bytes;
  }
  log::say("  {:<28}{:>10.1f} MB", "in all", static_cast<double>(total) / 1e6);
}

}  // namespace dfascale
