// The one error type.  Below main everything throws Error; main catches once, names rank and cause,
// and ends all ranks.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace dfascale {

/// Exit codes of the program (SPEC section 10).
enum class Exit : int {
  done = 0,
  usage = 2,       ///< command line or deck
  data = 3,        ///< token files, text, corpora
  checkpoint = 4,  ///< checkpoint or run folder
  numerical = 5,   ///< NaN or Inf in training; a golden file not matched
  device = 6,      ///< device, MPI or library failure
  stopped = 75,    ///< stopped by a signal, checkpoint written; submit again
};

/// An error a user can act on: what went wrong (file, key or line), what was expected, what to do.
class Error : public std::runtime_error {
 public:
  /// Control characters and bytes that are not UTF-8 are spelled out: a message may quote a file
  /// that somebody else made.
  Error(Exit code, const std::string& message);
  Exit code() const { return code_; }

 private:
  Exit code_;
};

/// An error that another rank told about, thrown on rank 0; the text names the rank.
class OtherRanksError : public Error {
 public:
  using Error::Error;
};

/// fail(Exit::data, "{}: magic number {} instead of {}", file, got, wanted);
template <class... Args>
[[noreturn]] void fail(Exit code, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(code, fmt::format(text, std::forward<Args>(args)...));
}

/// "PATH: No such file or directory": the system's reason behind the last failed call.
std::string system_reason(const std::string& path);

}  // namespace dfascale
