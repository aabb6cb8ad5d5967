// A checkpoint's digest.
#include "fuzz.hpp"
#include "io/digest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  static const std::string file =
      folder.hold("step_1.h5", reinterpret_cast<const std::uint8_t*>("checkpoint"), 10);
  folder.hold("step_1.h5.digest", data, size);
  return fuzz::answered([&] { damage_of(file, WriterRanks::alone()); });
}
