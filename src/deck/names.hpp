// Names of runs and methods: folders, fields of tables and words in reports are made of them.
#pragma once

#include <string>
#include <string_view>

namespace dfascale {

/// Whether a text may name a run or a method: letters and digits of any script, . _ + - and other
/// characters beyond ASCII that can be seen; not beginning with a dot.
bool is_name(std::string_view text);

/// A deck's file name as the beginning of a run's name, without .toml; "deck" for a pipe of the
/// shell.  Files with different names give different names: a byte that no name holds, and +,
/// becomes +XX, its code.
std::string name_from_file(const std::string& file);

/// Says what no file system takes: a part of the path beyond 255 bytes, or more than 4,000 bytes in
/// all.  Empty if it may exist.
std::string too_long_path(std::string_view path);

}  // namespace dfascale
