// dfascale-fit: reads training runs, fits the scaling laws L(C), compares methods, writes a folder
// of results.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "analysis/issue.hpp"
#include "analysis/options.hpp"
#include "analysis/output.hpp"
#include "analysis/results.hpp"
#include "base/standard_output.hpp"
#include "base/text.hpp"

namespace {

using namespace dfascale::fit;

/// Reads the command line and does what it says.
int run(int argc, char** argv) {
  if (const std::string wrong = dfascale::wrong_argument(argc, argv); !wrong.empty()) {
    fmt::print(stderr, "dfascale-fit: {}\n", wrong);
    return 2;
  }
  try {
    const Options options = parse_options(argc, argv);
    const Results results = analyse(options);
    write_outputs(results);
    return results.any_fit() ? 0 : 4;
  } catch (const UsageExit& usage) {
    return usage.status;
  } catch (const InputError& error) {
    fmt::print(stderr, "dfascale-fit: {}\n", error.what());
    return 3;
  } catch (const std::bad_alloc&) {
    std::fputs("dfascale-fit: out of memory: raise the limit (ulimit -v)\n", stderr);
    return 6;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dfascale-fit: unexpected failure: {}\n", error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  dfascale::open_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit of file sizes: writing fails, and is told
  return dfascale::end_output(run(argc, argv), 1);
}
