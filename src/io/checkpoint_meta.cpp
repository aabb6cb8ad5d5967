#include "io/checkpoint_meta.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/read_file.hpp"

namespace dfascale {

namespace {

constexpr std::int64_t format_version = 1;
constexpr const char* group = "/meta";
constexpr std::int64_t most_text_bytes = 1 << 20;  // of the deck, and of `more`
constexpr std::size_t longest_label = 1000;        // of the texts that are shown
constexpr std::int64_t largest_count = 1'000'000'000'000'000'000;

// Every attribute, once for writing and reading.
template <class Meta, class Visit>
void each_member(Meta& meta, Visit&& visit) {
  visit("step", meta.step);
  visit("tokens", meta.tokens);
  visit("next_sample", meta.next_sample);
  visit("flops", meta.flops);
  visit("seconds", meta.seconds);
  visit("seed", meta.seed);
  visit("params", meta.params);
  visit("feedback_checksum", meta.feedback_checksum);
  visit("data_fingerprint", meta.data_fingerprint);
  visit("best_val_loss", meta.best_val_loss);
  visit("revision", meta.revision);
  visit("layout", meta.layout);
}

struct Reader {
  const Hdf5File& file;
  void operator()(const char* name, std::int64_t& value) const {
    value = file.integer_attribute(group, name);
  }
  void operator()(const char* name, std::uint64_t& value) const {
    value = file.word_attribute(group, name);
  }
  void operator()(const char* name, double& value) const {
    value = file.real_attribute(group, name);
  }
  void operator()(const char* name, std::string& value) const {
    value = file.text_attribute(group, name);
  }
};

std::string whole_text(const Hdf5File& file, const std::string& at) {
  const std::vector<std::string> texts = file.texts(at, most_text_bytes);
  if (texts.size() != 1)
    fail(Exit::checkpoint, "{}: {} holds {} texts, expected one", file.path(), at, texts.size());
  return texts[0];
}

/// Checks one member by what it is; those that must agree with others come later.
struct MemberCheck {
  const std::string& where;

  void operator()(const char* name, std::int64_t value) const {
    if (value < 0 || value > largest_count)
      fail(Exit::checkpoint, "{}: {} = {}: expected 0 to {}", where, name, value, largest_count);
  }
  void operator()(const char*, std::uint64_t) const {}  // any 64 bits
  void operator()(const char* name, double value) const {
    const bool is_open = std::string_view(name) == "best_val_loss";  // infinite: not validated yet
    if (std::isnan(value) || value < 0 || (std::isinf(value) && !is_open))
      fail(Exit::checkpoint, "{}: {} = {}: expected a number of at least 0", where, name, value);
  }
  void operator()(const char* name, const std::string& value) const {
    const auto is_odd = [](unsigned char c) { return c < ' ' || c == 127; };
    if (value.size() > longest_label || std::any_of(value.begin(), value.end(), is_odd))
      fail(Exit::checkpoint, "{}: {} is longer than {} bytes or holds control characters", where,
           name, longest_label);
  }
};

}  // namespace

void write_meta(Hdf5File& file, const CheckpointMeta& meta) {
  file.make_group(group);
  file.set_attribute(group, "format_version", format_version);
  each_member(meta,
              [&](const char* name, const auto& value) { file.set_attribute(group, name, value); });
  // Texts without limit are arrays: an attribute ends at 64 KiB in older HDF5 formats.
  file.write_text("/meta/deck", meta.deck);
  file.write_text("/meta/more", meta.more);
}

CheckpointMeta read_meta(const Hdf5File& file) {
  if (!file.has(group))
    fail(Exit::checkpoint, "{}: not a checkpoint of dfascale: {} is missing", file.path(), group);
  const std::int64_t version = file.integer_attribute(group, "format_version");
  if (version != format_version)
    fail(Exit::checkpoint, "{}: checkpoint format {}, this program reads {}", file.path(), version,
         format_version);
  CheckpointMeta meta;
  each_member(meta, Reader{file});
  meta.deck = whole_text(file, "/meta/deck");
  meta.more = whole_text(file, "/meta/more");
  check_meta(meta, file.path() + ": " + group);
  return meta;
}

void check_meta(const CheckpointMeta& meta, const std::string& where) {
  each_member(meta, MemberCheck{where});
  for (const auto& [name, text] : {std::pair("deck", &meta.deck), std::pair("more", &meta.more)})
    if (static_cast<std::int64_t>(text->size()) > most_text_bytes)
      fail(Exit::checkpoint, "{}: {} has {} bytes, at most {} are read", where, name, text->size(),
           most_text_bytes);
  if (!meta.more.empty()) parse_json(meta.more, where + "/more", Exit::checkpoint);
}

namespace {

constexpr auto replace_bytes = nlohmann::json::error_handler_t::replace;

std::string text_of(const std::string& text) { return text; }
std::string text_of(double number) { return fmt::format("{:.17g}", number); }
template <class Integer>
std::string text_of(Integer number) {
  return fmt::format("{}", number);
}

// The whole text must be the number.
template <class Number>
bool take(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc{} && result.ptr == end;
}
bool take(const std::string& text, std::string& member) {
  member = text;
  return true;
}

}  // namespace

std::map<std::string, std::string> texts_of(const CheckpointMeta& meta) {
  std::map<std::string, std::string> texts = {{"deck", meta.deck}, {"more", meta.more}};
  each_member(meta, [&](const char* name, const auto& value) { texts[name] = text_of(value); });
  return texts;
}

CheckpointMeta meta_from(const std::map<std::string, std::string>& texts,
                         const std::string& where) {
  CheckpointMeta meta;
  const auto visit = [&](const char* name, auto& member) {
    const auto found = texts.find(name);
    if (found == texts.end()) fail(Exit::checkpoint, "{}: {} is missing", where, name);
    if (!take(found->second, member))
      fail(Exit::checkpoint, "{}: {} = {} is not a number", where, name,
           nlohmann::json(found->second.substr(0, 40)).dump(-1, ' ', true, replace_bytes));
  };
  each_member(meta, visit);
  visit("deck", meta.deck);
  visit("more", meta.more);
  check_meta(meta, where);
  return meta;
}

}  // namespace dfascale
