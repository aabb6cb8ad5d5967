// What `dfascale checkpoint` does.  Everything is read by one process, a child with limits
// (in_child), a few megabytes at a time, and nothing is believed before its digest and checksums
// are right.
#pragma once

#include <cstdint>
#include <string>

#include "io/checkpoint.hpp"

namespace dfascale {

/// To train on, or to read from.
enum class Needed { all, params };

/// Throws Error(Exit::checkpoint) unless a file `path` with these arrays holds what is expected
/// (contents_of), and nothing else.
void check_arrays(const Shapes& held, Needed needed, const Shapes& expected,
                  const std::string& path);

/// For people, or JSON for programs.
enum class Show { table, json };

/// Prints the checkpoints of a run folder or a folder of checkpoints, good or broken.
int list_checkpoints(const std::string& folder, Show show);

/// Checks a file, or all of a folder: digest, checksum of each array, meta data, and that no array
/// of the model in its deck is missing.  Exit::checkpoint if any is broken.
int verify_checkpoints(const std::string& where);

/// Which arrays are compared.
enum class Compared { all, params };
/// Which of them are printed.
enum class Printed { different, all };

struct DiffOptions {
  std::string one, other;  ///< files, or folders: their newest good checkpoints
  Compared compared = Compared::all;
  Printed printed = Printed::different;
  Show show = Show::table;
};

/// Compares arrays bit by bit.  Like diff: 0 the same, 1 different; Error where that cannot be
/// said.
int diff_checkpoints(const DiffOptions& options);

struct ConvertOptions {
  std::string from, to;  ///< either a checkpoint to NAME.safetensors, or back to NAME.h5
  bool moments = false;  ///< to safetensors: Adam's moments too
  bool replace = false;  ///< `to` may exist
};

int convert_checkpoint(const ConvertOptions& options);

}  // namespace dfascale
