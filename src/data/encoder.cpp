// Encoding with a cache of words.  SentencePiece finds the tokens of a word again every time; texts
// repeat their words, so a table of those seen makes it several times faster, with the same tokens:
// no piece crosses a border between units (JoinedBytes knows which borders pieces may cross).
#include "base/error.hpp"
#include "data/tokenizer_model.hpp"
#include "data/words.hpp"

namespace dfascale {
namespace {

constexpr std::size_t first_entries = std::size_t{1} << 12;
constexpr std::size_t most_words = std::size_t{1} << 19;  // then the cache starts afresh
constexpr std::size_t longest_cached = 128;               // bytes

/// Words that a piece may cross belong together.
template <class Each>
void for_each_group(std::string_view text, const JoinedBytes& joined, const Each& each) {
  std::size_t begin = 0, end = 0;
  for_each_word(text, [&](std::string_view word) {
    if (end > begin && !joined.are_joined(text[end - 1], word.front())) {
      each(text.substr(begin, end - begin));
      begin = end;
    }
    end += word.size();
  });
  if (end > begin) each(text.substr(begin, end - begin));
}

}  // namespace

Encoder::Encoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer), table_(first_entries) {}

void Encoder::encode(std::string_view text, std::vector<std::uint16_t>& out) {
  if (tokenizer_.model_->words_are_apart)
    for_each_word(text, [&](std::string_view word) { unit(word, out); });
  else for_each_group(text, tokenizer_.joined(), [&](std::string_view group) { unit(group, out); });
}

void Encoder::unit(std::string_view word, std::vector<std::uint16_t>& out) {
  if (word.size() > longest_cached) return by_library(word, out);
  const std::uint64_t hash = hash_word(word);
  Entry* entry = &find(word, hash);
  if (entry->word_bytes == 0) {
    if (2 * used_ >= table_.size()) {
      grow();
      entry = &find(word, hash);
    }
    const std::size_t first = tokens_.size();
    by_library(word, tokens_);
    *entry = {hash, static_cast<std::uint32_t>(words_.size()),
              static_cast<std::uint32_t>(word.size()), static_cast<std::uint32_t>(first),
              static_cast<std::uint32_t>(tokens_.size() - first)};
    words_ += word;
    ++used_;
  }
  const std::uint16_t* tokens = tokens_.data() + entry->first;
  out.insert(out.end(), tokens, tokens + entry->count);
}

/// The entry of this word, or the empty one where it belongs.
Encoder::Entry& Encoder::find(std::string_view word, std::uint64_t hash) {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = hash & mask;
  while (table_[at].word_bytes != 0) {
    const Entry& entry = table_[at];
    if (entry.hash == hash && std::string_view(words_).substr(entry.word, entry.word_bytes) == word)
      break;
    at = (at + 1) & mask;
  }
  return table_[at];
}

void Encoder::grow() {
  if (used_ >= most_words) {
    table_.assign(table_.size(), Entry{});
    words_.clear();
    tokens_.clear();
    used_ = 0;
    return;
  }
  std::vector<Entry> old(2 * table_.size());
  old.swap(table_);
  const std::size_t mask = table_.size() - 1;
  for (const Entry& entry : old) {
    if (entry.word_bytes == 0) continue;
    std::size_t at = entry.hash & mask;
    while (table_[at].word_bytes != 0) at = (at + 1) & mask;
    table_[at] = entry;
  }
}

void Encoder::by_library(std::string_view word, std::vector<std::uint16_t>& out) const {
  const Tokenizer::Model& model = *tokenizer_.model_;
  std::vector<int> ids;
  while (!word.empty()) {
    const std::size_t mark = word.find(space_mark);
    const auto status = model.processor.Encode(word.substr(0, mark), &ids);
    if (!status.ok()) fail(Exit::device, "SentencePiece: {}", status.ToString());
    out.insert(out.end(), ids.begin(), ids.end());
    if (mark == std::string_view::npos) return;
    for (const char byte : space_mark)
      out.push_back(static_cast<std::uint16_t>(model.byte_ids[static_cast<unsigned char>(byte)]));
    word.remove_prefix(mark + space_mark.size());
  }
}

}  // namespace dfascale
