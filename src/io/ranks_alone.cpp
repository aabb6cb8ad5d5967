// The writing ranks of a program built without MPI: this process.
#include "io/writer_ranks.hpp"

namespace dfascale {

struct WriterRanks::Group {};

WriterRanks WriterRanks::all() { return alone(); }
WriterRanks WriterRanks::alone() { return WriterRanks(std::make_shared<Group>()); }

int WriterRanks::rank() const { return 0; }
int WriterRanks::size() const { return 1; }
bool WriterRanks::may_use_threads() const { return true; }

std::vector<std::uint64_t> WriterRanks::gather(const std::vector<std::uint64_t>& words) const {
  return words;
}

std::string WriterRanks::from_first(const std::string& text) const { return text; }

void WriterRanks::agree(Exit code, const std::string& trouble) const {
  if (!trouble.empty()) throw Error(code, trouble);
}

}  // namespace dfascale
