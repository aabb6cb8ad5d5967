// Fails in the way its first argument names; test_exit_codes.cpp launches it on several ranks.
#include <cstring>
#include <string>

#include "base/error.hpp"
#include "comm/session.hpp"

using namespace dfascale;

namespace {

int act(const std::string& what) {
  const Session session;
  const Comm& comm = session.comm();
  if (what == "all") fail(Exit::usage, "a mistake of all ranks");
  if (what == "last" && comm.rank() == comm.size() - 1) fail(Exit::data, "only the last rank");
  if (what == "first" && comm.rank() == 0) fail(Exit::checkpoint, "only the first rank");
  if (what == "unknown" && comm.rank() == 0) throw std::out_of_range("not an Error");
  if (what == "stopped") return static_cast<int>(Exit::stopped);
  comm.barrier();  // the others wait for the rank that failed
  return 0;
}

}  // namespace

int main(int, char** argv) {
  return run_guarded([&] { return act(argv[1]); });
}
