// For tests of error messages: the right exit code, and words that the user needs to read.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace dfascale::test {

inline void expect_error(Exit code, const std::vector<std::string>& words,
                         const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.code(), code) << problem.what();
    for (const std::string& word : words)
      EXPECT_NE(std::string(problem.what()).find(word), std::string::npos)
          << "\"" << word << "\" is not in: " << problem.what();
  }
}

}  // namespace dfascale::test
