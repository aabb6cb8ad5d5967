// corpus.json of a prepared folder, alone and beside a shard.
#include "data/corpus_info.hpp"
#include "data/token_stream.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  static const std::string shard =
      folder.hold("train_000000.bin", reinterpret_cast<const std::uint8_t*>("a few tokens"), 12);
  folder.hold("corpus.json", data, size);
  fuzz::answered([&] { read_corpus_info(folder.path()); });
  return fuzz::answered([&] { TokenStream::open(folder.path(), Split::train, TokenFormat::raw); });
}
