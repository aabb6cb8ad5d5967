#include "train/repeats.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.hpp"
#include "data/corpus_info.hpp"

namespace dfascale {
namespace {

constexpr const char* too_good = "validation losses will be too good";

/// Files by device and inode: a link or another path does not hide that it is the same one.
bool warn_of_same_files(const TokenStream& train, const TokenStream& valid) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> seen;
  const auto place = [](const TokenFile& file) {
    return std::pair(file.identity().device, file.identity().inode);
  };
  for (const TokenFile& file : train.shards())
    if (const auto [first, is_new] = seen.emplace(place(file), file.path()); !is_new)
      log::warn("{} and {} are the same file: its tokens are trained on twice as often as others",
                file.path(), first->second);
  for (const TokenFile& file : valid.shards())
    if (const auto found = seen.find(place(file)); found != seen.end()) {
      log::warn("{}: validation tokens that are training tokens too; {}", file.path(), too_good);
      return true;
    }
  return false;
}

}  // namespace

void warn_of_repeats(const DataSettings& data, const TokenStream& train, const TokenStream& valid) {
  if (warn_of_same_files(train, valid)) return;
  const std::optional<CorpusInfo> of_train = read_corpus_info(data.train);
  const std::optional<CorpusInfo> of_valid =
      data.valid.empty() ? of_train : read_corpus_info(data.valid);
  if (!of_train || !of_valid) return;
  for (const std::string& text : of_valid->valid_inputs)
    if (std::ranges::find(of_train->train_inputs, text) != of_train->train_inputs.end()) {
      log::warn("{}: validation tokens made from a text that is training text too (SHA-256 {}); {}",
                valid.files().front(), text, too_good);
      return;
    }
}

}  // namespace dfascale
