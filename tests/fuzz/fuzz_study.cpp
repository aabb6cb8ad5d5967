// A study: sizes, rules, lists and searches.
#include "fuzz.hpp"
#include "study/study.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  return fuzz::answered([&] {
    parse_study({reinterpret_cast<const char*>(data), size}, "fuzz.toml", {});
  });
}
