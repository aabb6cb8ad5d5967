#include "io/checkpoint_write.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.hpp"
#include "io/checkpoint_arrays.hpp"
#include "io/checkpoint_meta.hpp"
#include "io/digest.hpp"
#include "io/files.hpp"

namespace dfascale {

namespace {

constexpr Exit exit_code = Exit::checkpoint;

void write_arrays(Hdf5File& file, const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays,
                  const std::vector<std::uint64_t>& checksums, const WriterRanks& ranks) {
  together(ranks, exit_code, [&] {
    write_meta(file, meta);
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      file.make_array(arrays[i].path, arrays[i].shape);
      file.set_attribute(arrays[i].path, "crc32", checksums[i]);
    }
  });
  // Creating the file gave the room back; now exactly what the arrays need.
  std::int64_t bytes = 0;
  for (const ArraySlice& array : arrays) bytes = std::max(bytes, file.end_of(array.path));
  on_first(ranks, exit_code, [&] { reserve(file.path(), bytes); });
  for (const ArraySlice& array : arrays)
    together(ranks, exit_code, [&] {
      file.write_rows(array.path, {array.first_row, array.rows}, array.data);
    });
}

// Up to the closed file, flushed to disk; each stage agreed, so that no rank waits for one that
// has failed.
void write_file(const std::string& path, const CheckpointMeta& meta,
                const std::vector<ArraySlice>& arrays, const std::vector<std::uint64_t>& checksums,
                const WriterRanks& ranks) {
  // A full disk shows here, before HDF5 has anything that it could fail to write.
  on_first(ranks, exit_code, [&] { reserve(path, CheckpointFolder::file_bytes(arrays)); });
  std::optional<Hdf5File> file;
  together(ranks, exit_code, [&] { file.emplace(Hdf5File::create(path, ranks, exit_code)); });
  try {
    write_arrays(*file, meta, arrays, checksums, ranks);
  } catch (const Error&) {
    file->give_up(ranks);
    throw;
  }
  together(ranks, exit_code, [&] { file->close(); });
  together(ranks, exit_code, [&] { flush_to_disk(path); });
}

// Reads everything back; the arrays are shared out among the ranks.
void check_file(const std::string& path, const std::vector<ArraySlice>& arrays,
                const std::vector<std::uint64_t>& checksums, const WriterRanks& ranks) {
  together(ranks, exit_code, [&] {
    const Hdf5File file = Hdf5File::open(path, exit_code);
    for (std::size_t i = ranks.rank(); i < arrays.size(); i += ranks.size())
      if (checksum_in(file, arrays[i].path) != checksums[i])
        fail(exit_code, "{}: {} reads back other than it was written: the disk or its driver fails",
             path, arrays[i].path);
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
                           const std::vector<ArraySlice>& arrays, const WriterRanks& ranks) {
  const std::string temporary = path + ".tmp";
  const double begun = seconds_now();
  const auto checksums = checksums_of(arrays, ranks);
  const double started = seconds_now();
  try {
    write_file(temporary, meta, arrays, checksums, ranks);
    const double written = seconds_now();
    check_file(temporary, arrays, checksums, ranks);
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
