// A deck: what is accepted is also accepted as it is shown, and means the same.
#include "deck/deck.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dfascale;
  return fuzz::answered([&] {
    const Settings settings =
        parse_deck({reinterpret_cast<const char*>(data), size}, "fuzz.toml", {});
    fuzz::promise(differences(settings, parse_deck(show_deck(settings), "fuzz.toml", {})).empty());
  });
}
