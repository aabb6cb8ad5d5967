// A safetensors file: header and values.
#include "fuzz.hpp"
#include "io/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  return fuzz::answered([&] {
    const SafetensorsFile file(folder.hold("model.safetensors", data, size));
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
      const std::vector<float> values = file.read(i);
      fuzz::promise(values.size() * sizeof(float) <= size);
    }
  });
}
