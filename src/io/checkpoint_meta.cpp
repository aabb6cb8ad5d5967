#include "io/checkpoint_meta.hpp"

#include <charconv>

namespace dfascale {

namespace {

constexpr std::int64_t format_version = 1;
constexpr const char* group = "/meta";

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

std::string whole_text(const Hdf5File& file, const std::string& at) { return file.texts(at).at(0); }

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
  return meta;
}

namespace {

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
      fail(Exit::checkpoint, "{}: {} = \"{}\" is not a number", where, name, found->second);
  };
  each_member(meta, visit);
  visit("deck", meta.deck);
  visit("more", meta.more);
  if (meta.step < 0 || meta.tokens < 0 || meta.next_sample < 0)
    fail(Exit::checkpoint, "{}: step, tokens and next_sample must not be negative", where);
  return meta;
}

}  // namespace dfascale
