// Token files of both layouts: the first byte says which; tokens that pass the check are below the
// vocabulary.
#include <algorithm>
#include <vector>

#include "data/token_stream.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  constexpr std::int64_t vocab = 1000;
  if (size == 0) return 0;
  const TokenFormat format = data[0] % 2 == 0 ? TokenFormat::llmc : TokenFormat::raw;
  return fuzz::answered([&] {
    TokenStream stream =
        TokenStream::open(folder.hold("tokens.bin", data + 1, size - 1), Split::train, format);
    stream.check_vocabulary(vocab, {});
    std::vector<std::int32_t> tokens(stream.size());
    stream.read(0, stream.size(), tokens.data());
    fuzz::promise(std::all_of(tokens.begin(), tokens.end(),
                              [](std::int32_t token) { return token >= 0 && token < vocab; }));
  });
}
