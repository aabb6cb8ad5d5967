// A machine's file.
#include "fuzz.hpp"
#include "planning/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  return fuzz::answered([&] { read_machine(folder.hold("machine.toml", data, size), {}); });
}
