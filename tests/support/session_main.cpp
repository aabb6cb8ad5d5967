// main() of tests that every rank runs at once: fails on all ranks if it fails on one.
#include <gtest/gtest.h>

#include "tests/support/session.hpp"

namespace dfascale::test {
const Session* session = nullptr;
}  // namespace dfascale::test

namespace {

int run() {
  const dfascale::Session session;
  dfascale::test::session = &session;
  const int failed = RUN_ALL_TESTS();
  return session.comm().max(static_cast<std::int64_t>(failed)) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return dfascale::run_guarded(run);
}
