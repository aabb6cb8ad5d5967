// Texts for prepare: the first byte says whether as text or as JSON lines; both may be gzip or
// Zstandard.
#include "data/text_source.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  static const fuzz::Folder folder;
  constexpr int most_chunks = 64;  // a small packed file may hold gigabytes
  if (size == 0) return 0;
  const std::string file =
      folder.hold(data[0] % 2 == 0 ? "text.txt" : "text.jsonl", data + 1, size - 1);
  return fuzz::answered([&] {
    ChunkReader reader({file});
    for (int i = 0; i < most_chunks; ++i) {
      const std::optional<RawChunk> chunk = reader.next();
      if (!chunk) break;
      documents_in(*chunk);
    }
  });
}
