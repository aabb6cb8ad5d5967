#include "train/known_tokens.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/read_file.hpp"
#include "io/files.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

constexpr int known_format = 1;

Json describe(const KnownSplit& split) {
  Json files = Json::array();
  for (const FileIdentity& file : split.files)
    files.push_back({file.bytes, file.modified, file.changed, file.device, file.inode});
  return {{"fingerprint", split.fingerprint}, {"largest", split.largest}, {"files", files}};
}

KnownSplit split_of(const Json& json) {
  KnownSplit split{json.at("fingerprint"), json.at("largest"), {}};
  for (const Json& file : json.at("files"))
    split.files.push_back({file.at(0), file.at(1), file.at(2), file.at(3), file.at(4)});
  return split;
}

}  // namespace

std::optional<KnownTokens> read_known_tokens(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, ignored)))
    return std::nullopt;
  try {
    const Json json = read_json(path, Exit::checkpoint);
    if (json.at("format") != known_format) return std::nullopt;
    return KnownTokens{split_of(json.at("train")), split_of(json.at("valid"))};
  } catch (const Error&) {
    return std::nullopt;  // every token is read again, as without the file
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

void write_known_tokens(const std::string& path, const KnownTokens& known) {
  const Json json = {{"format", known_format},
                     {"about",
                      "Which token files this run has read whole: bytes, modified, changed (ns), "
                      "device and inode of each. May be removed."},
                     {"train", describe(known.train)},
                     {"valid", describe(known.valid)}};
  write_atomically(path, json.dump() + "\n");
}

bool is_known(const KnownSplit& known, const TokenStream& stream, std::int64_t vocab) {
  return known.largest < vocab && known.files == identities(stream);
}

bool changes_would_show(const TokenStream& stream, std::int64_t time) {
  constexpr std::int64_t second = 1'000'000'000, fine = second / 50, coarse = 2 * second;
  return std::ranges::all_of(stream.shards(), [&](const TokenFile& file) {
    const std::int64_t last = std::max(file.identity().modified, file.identity().changed);
    return file.identity_now() == file.identity() &&
           last + (last % second == 0 ? coarse : fine) < time;
  });
}

std::vector<FileIdentity> identities(const TokenStream& stream) {
  std::vector<FileIdentity> all;
  for (const TokenFile& file : stream.shards()) all.push_back(file.identity());
  return all;
}

}  // namespace dfascale
