// What can be wrong with the input: errors that end the program, and warnings that go into
// fit.json.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace dfascale::fit {

/// Unusable input, exit status 3: "CODE: detail" on one line.
class InputError : public std::runtime_error {
 public:
  InputError(const std::string& code, const std::string& detail)
      : std::runtime_error(code + ": " + visible_in_a_line(detail)), code_(code) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

/// Something left out or odd that the reader of the results should know.  Empty: does not apply.
struct Warning {
  std::string code;
  std::string method;
  std::string run;
  std::optional<std::int64_t> count;
};
using Warnings = std::vector<Warning>;

}  // namespace dfascale::fit
