// Checkpoints (SPEC section 8): one HDF5 file per checkpoint, independent of the layout that wrote
// it.  /params/NAME, /adam/m/NAME, /adam/v/NAME hold whole logical arrays; /meta the rest.  Every
// array carries the CRC-32 of its bytes; a digest of the whole file lies beside it and is checked
// before HDF5 opens the file.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/hdf5.hpp"
#include "io/writer_ranks.hpp"

namespace dfascale {

/// What this rank writes of one logical array.  All ranks list the same arrays in the same order;
/// together their rows make the array, each row once.
struct ArraySlice {
  std::string path;                 ///< "/params/blocks.0.ln1.weight", "/adam/m/...", "/adam/v/..."
  std::vector<std::int64_t> shape;  ///< logical (unpadded) shape, 1-D or 2-D
  std::int64_t first_row, rows;     ///< rows == 0: this rank writes nothing of it
  const float* data;                ///< on the host, dense, (rows, shape[1])
};

/// What a checkpoint says about its run.
struct CheckpointMeta {
  std::int64_t step = 0;          ///< updates done
  std::int64_t tokens = 0;        ///< trained on so far
  std::int64_t next_sample = 0;   ///< first sample of the next step, in the run's order
  double flops = 0, seconds = 0;  ///< cumulative, SPEC section 5
  std::uint64_t seed = 0;
  std::int64_t params = 0;  ///< N, tied matrices counted once
  std::uint64_t feedback_checksum = 0, data_fingerprint = 0;
  double best_val_loss = std::numeric_limits<double>::infinity();
  std::string deck;      ///< as resolved, TOML
  std::string revision;  ///< of the program that wrote it
  std::string layout;    ///< "dp 2, pp 1": for the reader's eyes only
  std::string more;      ///< JSON text for whatever else a run must remember
};

/// How long the last save took; reported apart because checking is not writing.
struct SaveTimes {
  std::int64_t bytes = 0;
  double write_seconds = 0;  ///< writing and flushing to disk
  double check_seconds = 0;  ///< checksums, reading back, digest
};

/// A run's checkpoints: runs/NAME/checkpoints/step_00000100.h5, ...
class CheckpointFolder {
 public:
  /// The last `keep` checkpoints stay (at least 1), and all at multiples of keep_every_steps
  /// (0: no more).  `compression` is zlib's level, 1 (fast) to 9 (small), or 0 for arrays as they
  /// are.  Touches nothing on disk yet.
  CheckpointFolder(std::string folder, std::int64_t keep, std::int64_t keep_every_steps,
                   WriterRanks ranks, int compression = 0);

  /// Collective, before step 1: the folder can be made and written, and its disk has room for what
  /// will be kept.  Removes what an interrupted save left behind.
  void check_writable(std::int64_t checkpoint_bytes) const;
  /// Size of a checkpoint of these arrays (a little too much).
  static std::int64_t file_bytes(const std::vector<ArraySlice>& arrays);

  /// Collective.  Writes under a temporary name, flushes to disk, reads back, then renames,
  /// repoints `latest` and removes old ones.  If any rank fails all throw, and every older
  /// checkpoint is as it was.  Returns the file's path.
  std::string save(const CheckpointMeta& meta, const std::vector<ArraySlice>& arrays);
  const SaveTimes& times() const { return times_; }
  const WriterRanks& ranks() const { return ranks_; }

  /// Collective.  The newest checkpoint whose digest is right; damaged ones are named in a warning.
  /// None if there are no checkpoints at all.  Throws Error(Exit::checkpoint) if there are and none
  /// is good, and if one that is newer than the newest good one cannot be read or has no digest.
  std::optional<std::string> newest_good() const;
  /// Where the checkpoint of a step is or would be.
  std::string path_of(std::int64_t step) const;
  /// Steps that have a file, ascending; broken ones included.
  std::vector<std::int64_t> steps() const;
  /// Collective.  The same as the first rank sees them: another node may see a file later.
  std::vector<std::int64_t> agreed_steps() const;
  /// Collective.  After a restart from an older checkpoint: the newer ones belong to an abandoned
  /// future and are set aside as NAME.abandoned (NAME.abandoned.2, ...), so that no restart takes
  /// them.
  void abandon_after(std::int64_t step) const;

 private:
  void prune(std::int64_t newest) const;
  [[noreturn]] void fail_unreadable(const std::string& reason) const;

  std::string folder_;
  std::int64_t keep_, keep_every_steps_;
  int compression_;
  WriterRanks ranks_;
  SaveTimes times_;
};

/// Removes the checkpoints of a folder, their digests, `latest`, and the folder if nothing else is
/// in it.
void remove_checkpoints(const std::string& folder);

/// Shapes of arrays by their paths, "/params/final_ln.bias".
using Shapes = std::map<std::string, std::vector<std::int64_t>>;

/// What a checkpoint with these meta data may hold, in a file of so many bytes.  Throws
/// Error(Exit::checkpoint), which begins with the path, if the meta data do not agree with their
/// deck.
using Contents = std::function<Shapes(const CheckpointMeta& meta, const std::string& path,
                                      std::int64_t file_bytes)>;

/// A checkpoint open for reading.  Opening checks the file's digest and meta data, then looks up
/// the arrays that `contents` names, and checks the shape and the checksum of each; with several
/// ranks each checks its share and all agree (collective).  Anything else in the file is an Error;
/// an array that is missing is none.
class CheckpointFile {
 public:
  CheckpointFile(const std::string& path, const Contents& contents,
                 const WriterRanks& ranks = WriterRanks::alone());

  const CheckpointMeta& meta() const { return meta_; }
  /// Of all arrays: /adam/m/..., /adam/v/..., /params/..., each group in alphabetical order.
  const std::vector<std::string>& paths() const { return paths_; }
  bool has(const std::string& path) const;
  std::vector<std::int64_t> shape(const std::string& path) const;
  void read(const std::string& path, std::int64_t first_row, std::int64_t rows, float* to) const;

 private:
  Hdf5File file_;
  CheckpointMeta meta_;
  std::vector<std::string> paths_;
};

}  // namespace dfascale
