#include "io/checkpoint_write.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.hpp"
#include "io/checkpoint_arrays.hpp"
#include "io/checkpoint_meta.hpp"
#include "io/compressed.hpp"
#include "io/digest.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;

// The file without its values; where each array's values belong, in bytes.
std::vector<std::uint64_t> write_structure(const std::string& path, const CheckpointMeta& meta,
                                           const std::vector<ArraySlice>& arrays,
                                           const std::vector<std::uint64_t>& checksums) {
  // A full disk shows here, before anything is written.
  reserve(make_temporary(path, exit_code), CheckpointFolder::file_bytes(arrays), path);
  Hdf5File file = Hdf5File::create(path, exit_code);
  write_meta(file, meta);
  std::vector<std::uint64_t> places;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    file.make_array(arrays[i].path, arrays[i].shape);
    file.set_attribute(arrays[i].path, "crc32", checksums[i]);
    places.push_back(file.place_of(arrays[i].path));
  }
  file.close();
  // Creating the file gave the room back; now exactly what it needs.
  reserve(open_to_write(path), static_cast<std::int64_t>(std::filesystem::file_size(path)), path);
  return places;
}

// This rank's rows, each at its place, and on disk.
void write_own_rows(const std::string& path, const std::vector<ArraySlice>& arrays,
                    const std::vector<std::uint64_t>& places) {
  const FileDescriptor file = open_to_write(path);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto row = row_length(arrays[i].shape) * static_cast<std::int64_t>(sizeof(float));
    const auto place = static_cast<std::int64_t>(places[i]) + arrays[i].first_row * row;
    write_at(file, place,
             {reinterpret_cast<const char*>(arrays[i].data),
              static_cast<std::size_t>(arrays[i].rows * row)},
             path);
  }
  flush_to_disk(file, path);
}

// HDF5 makes the file on one rank, then every rank writes its rows straight to their places.
// Through HDF5 and MPI together one rank's error (a write that a full disk cuts short) leaves the
// others waiting for ever (docs/decisions.md, 8).
void write_file(const std::string& path, const CheckpointMeta& meta,
                const std::vector<ArraySlice>& arrays, const std::vector<std::uint64_t>& checksums,
                const WriterRanks& ranks) {
  std::vector<std::uint64_t> places(arrays.size());
  on_first(ranks, exit_code, [&] { places = write_structure(path, meta, arrays, checksums); });
  places = ranks.gather(places);  // those of the first rank come first
  together(ranks, exit_code, [&] { write_own_rows(path, arrays, places); });
}

std::string part_of(const std::string& path, int rank) {
  return fmt::format("{}.part{}.tmp", path, rank);
}

// The whole file, from the parts of all ranks.
void write_from_parts(const std::string& path, const CheckpointMeta& meta,
                      const std::vector<ArraySlice>& arrays,
                      const std::vector<std::uint64_t>& checksums, int level, int ranks) {
  Hdf5File file = Hdf5File::create(path, exit_code);
  write_meta(file, meta);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const ArraySlice& array = arrays[i];
    file.make_chunked_array(array.path, array.shape, chunk_rows(array.shape), level);
    file.set_attribute(array.path, "crc32", checksums[i]);
  }
  std::vector<std::string> parts;
  for (int rank = 0; rank < ranks; ++rank) parts.push_back(part_of(path, rank));
  join_parts(file, arrays, parts, level);
  file.close();
  flush_to_disk(path);
}

// All ranks compress side by side; the first one writes.
void write_compressed_file(const std::string& path, const CheckpointMeta& meta,
                           const std::vector<ArraySlice>& arrays,
                           const std::vector<std::uint64_t>& checksums, int level,
                           const WriterRanks& ranks) {
  const std::string own = part_of(path, ranks.rank());
  try {
    together(ranks, exit_code, [&] { write_part(own, arrays, level); });
    on_first(ranks, exit_code,
             [&] { write_from_parts(path, meta, arrays, checksums, level, ranks.size()); });
    together(ranks, exit_code, [&] { remove_file(own); });
  } catch (const Error&) {
    ::unlink(own.c_str());
    throw;
  }
}

// Reads everything back; the arrays are shared out among the ranks.
void check_file(const std::string& path, const CheckpointMeta& meta,
                const std::vector<ArraySlice>& arrays, const std::vector<std::uint64_t>& checksums,
                const WriterRanks& ranks) {
  constexpr const char* why = "reads back other than it was written: the disk or its driver fails";
  together(ranks, exit_code, [&] {
    const Hdf5File file = Hdf5File::open(path, exit_code);
    if (ranks.rank() == 0 && texts_of(read_meta(file)) != texts_of(meta))
      fail(exit_code, "{}: /meta {}", path, why);
    for (std::size_t i = ranks.rank(); i < arrays.size(); i += ranks.size())
      if (checksum_in(file, arrays[i].path) != checksums[i])
        fail(exit_code, "{}: {} {}", path, arrays[i].path, why);
  });
}

// From here the checkpoint is on disk and checked; what remains is names.
void publish(const std::string& temporary, const std::string& path, const std::string& digest) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  stage_digest(path, digest);
  rename_over(temporary, path);
  flush_to_disk(folder);
  settle_digest(path);
  flush_to_disk(folder);
}

}  // namespace

SaveTimes write_checkpoint(const std::string& path, const CheckpointMeta& meta,
                           const std::vector<ArraySlice>& arrays, int compression,
                           const WriterRanks& ranks, Folder folder) {
  const std::string temporary = temporary_name(path, folder);
  const double begun = seconds_now();
  const auto checksums = checksums_of(arrays, ranks);
  const double started = seconds_now();
  try {
    if (compression == 0) write_file(temporary, meta, arrays, checksums, ranks);
    else write_compressed_file(temporary, meta, arrays, checksums, compression, ranks);
    const double written = seconds_now();
    check_file(temporary, meta, arrays, checksums, ranks);
    const std::string digest = digest_of(temporary, ranks);
    on_first(ranks, exit_code, [&] { publish(temporary, path, digest); });
    std::int64_t bytes = 0;
    together(ranks, exit_code, [&] { bytes = std::filesystem::file_size(path); });
    return {bytes, written - started, started - begun + seconds_now() - written};
  } catch (const Error& error) {
    if (ranks.rank() == 0) ::unlink(temporary.c_str());
    throw Error(error.code(),
                fmt::format("checkpoint of step {} not written: {}", meta.step, error.what()));
  }
}

}  // namespace dfascale
