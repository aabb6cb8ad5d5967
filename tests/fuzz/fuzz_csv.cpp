// What dfascale-fit reads: a long CSV, and the metrics and record of a run folder. Three parts,
// split at the first two NUL bytes.
#include <algorithm>

#include "analysis/input.hpp"
#include "analysis/issue.hpp"
#include "analysis/options.hpp"
#include "fuzz.hpp"

namespace {

using namespace dfascale;

template <class Change>
void read(const Change& change) {
  fit::Options options;
  change(options);
  try {
    fit::read_inputs(options);
  } catch (const fit::InputError&) {}
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  const std::uint8_t* end = data + size;
  const std::uint8_t* first = std::find(data, end, 0);
  const std::uint8_t* second = first == end ? end : std::find(first + 1, end, 0);
  const std::string csv = folder.hold("runs.csv", data, first - data);
  std::filesystem::create_directory(folder.path() + "/run");
  folder.hold("run/metrics.csv", std::min(first + 1, end), second - std::min(first + 1, end));
  folder.hold("run/run.json", std::min(second + 1, end), end - std::min(second + 1, end));
  read([&](fit::Options& options) { options.csv_files = {csv}; });
  read([&](fit::Options& options) { options.run_folders = {folder.path() + "/run"}; });
  return 0;
}
