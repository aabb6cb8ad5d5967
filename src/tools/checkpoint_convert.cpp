// dfascale checkpoint convert: a checkpoint as a safetensors file, and back.  Values keep their
// bits; the meta data travel as texts in the file's metadata, so that what comes back restarts.
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"
#include "io/checkpoint.hpp"
#include "io/checkpoint_meta.hpp"
#include "io/checkpoint_write.hpp"
#include "io/safetensors.hpp"
#include "tools/checkpoint_tools.hpp"
#include "tools/trained_model.hpp"
#include "train/checkpoint_contents.hpp"

namespace dfascale {
namespace {

constexpr std::string_view exported = ".safetensors", checkpoint = ".h5";
constexpr std::string_view member_prefix = "dfascale.";  // of the meta data's names

/// How arrays of a checkpoint are called in a safetensors file, in the order in which they lie
/// there: parameters by their own names.
struct Naming {
  std::string_view group, prefix;
};
constexpr std::array namings = {Naming{"/adam/m/", "adam.m."}, Naming{"/adam/v/", "adam.v."},
                                Naming{"/params/", ""}};

std::string exported_name(const std::string& path) {
  for (const auto& [group, prefix] : namings)
    if (path.starts_with(group)) return std::string(prefix) + path.substr(group.size());
  fail(Exit::checkpoint, "{} is neither a parameter nor a moment", path);
}

std::string path_of(const std::string& name) {
  for (const auto& [group, prefix] : namings)
    if (name.starts_with(prefix)) return std::string(group) + name.substr(prefix.size());
  return name;
}

Metadata metadata_of(const CheckpointMeta& meta) {
  Metadata metadata = {{"format", "pt"}};  // what readers of other frameworks look for
  for (const auto& [name, text] : texts_of(meta))
    metadata[std::string(member_prefix) + name] = text;
  return metadata;
}

CheckpointMeta meta_of(const SafetensorsFile& file) {
  Metadata members;
  for (const auto& [name, text] : file.metadata())
    if (name.starts_with(member_prefix)) members[name.substr(member_prefix.size())] = text;
  if (members.empty())
    fail(Exit::checkpoint,
         "{}: was not made of a checkpoint: its metadata have no names that begin with {}",
         file.path(), member_prefix);
  return meta_from(members, fmt::format("{}: metadata {}*", file.path(), member_prefix));
}

bool is_param(const std::string& path) { return path.starts_with("/params/"); }

std::vector<std::string> paths_to_export(const CheckpointFile& file, bool moments) {
  std::vector<std::string> paths = file.paths();
  if (!moments) std::erase_if(paths, [](const std::string& path) { return !is_param(path); });
  std::stable_partition(paths.begin(), paths.end(), is_param);
  return paths;
}

std::size_t export_checkpoint(const std::string& from, const std::string& to, bool moments) {
  const CheckpointFile file(from, contents_of);
  const std::vector<std::string> paths = paths_to_export(file, moments);
  std::vector<SafeTensor> tensors;
  for (const std::string& path : paths) tensors.push_back({exported_name(path), file.shape(path)});
  SafetensorsWriter writer(to, tensors, metadata_of(file.meta()));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::vector<float> values(tensors[i].count());
    file.read(paths[i], 0, tensors[i].shape.at(0), values.data());
    writer.append(values);
  }
  writer.complete();
  return tensors.size();
}

std::size_t import_checkpoint(const std::string& from, const std::string& to) {
  const SafetensorsFile file(from);
  const CheckpointMeta meta = meta_of(file);
  Shapes shapes;
  for (const SafeTensor& tensor : file.tensors()) shapes[path_of(tensor.name)] = tensor.shape;
  const bool has_moments =
      std::ranges::any_of(shapes, [](const auto& array) { return !is_param(array.first); });
  check_arrays(shapes, has_moments ? Needed::all : Needed::params,
               contents_of(meta, from, file.bytes()), from);
  std::vector<std::vector<float>> values;
  std::vector<ArraySlice> arrays;
  for (const SafeTensor& tensor : file.tensors()) {
    values.push_back(file.read(values.size()));
    arrays.push_back(
        {path_of(tensor.name), tensor.shape, 0, tensor.shape.at(0), values.back().data()});
  }
  write_checkpoint(to, meta, arrays, 0, WriterRanks::alone(), Folder::of_user);
  if (!has_moments) log::warn("{}: has no moments: for eval and sample, not to go on training", to);
  return arrays.size();
}

void check_target(const ConvertOptions& options, std::string_view ending) {
  if (!options.to.ends_with(ending))
    fail(Exit::usage, "checkpoint convert: {} becomes a file whose name ends with {}, not {}",
         options.from, ending, options.to);
  for (const char* beside : {"", ".digest", ".digest.new"})  // those of a checkpoint
    if (exists(options.to + beside) && !options.replace)
      fail(Exit::usage, "{}{} exists; --force replaces it", options.to, beside);
}

}  // namespace

int convert_checkpoint(const ConvertOptions& options) {
  const bool back = options.from.ends_with(exported);
  check_target(options, back ? checkpoint : exported);
  if (back && options.moments)
    fail(Exit::usage, "--moments: {} is taken as a whole; moments that it lacks cannot be had",
         options.from);
  std::string from = options.from;
  const auto exporting = [&](const std::string& file) {
    from = file;
    return export_checkpoint(file, options.to, options.moments);
  };
  const std::size_t arrays =
      back ? import_checkpoint(from, options.to) : open_checkpoint_at(options.from, exporting);
  log::say("{}: {} arrays of {}", options.to, arrays, from);
  return static_cast<int>(Exit::done);
}

}  // namespace dfascale
