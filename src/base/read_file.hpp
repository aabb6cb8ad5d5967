// Reading files that somebody else may have made: never a pipe, a device or a folder, never more
// bytes than the caller allows, never past a nesting depth that a stack can hold.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/file_descriptor.hpp"

namespace dfascale {

/// The largest file that is read whole: decks, records, digests, corpus.json.
constexpr std::int64_t most_small_file_bytes = 64 << 20;

/// Opens a regular file for reading; symbolic links to one are followed.  Never waits: a pipe
/// without a writer is an Error (of the given code) as a device or a folder is.
FileDescriptor open_regular_file(const std::string& path, Exit code);

/// Throws Error (of the given code) naming what an open file is, unless it is a regular file.
void check_regular(const FileDescriptor& file, const std::string& path, Exit code);

/// Opens a regular file, or a pipe such as a shell makes of <(command).
FileDescriptor open_file_or_pipe(const std::string& path, Exit code);

/// Reads up to `size` bytes of what open_file_or_pipe opened; 0 at the end.  Waits for a pipe's
/// writer, but not for ever: throws Error after five seconds without one, after a minute of
/// silence, or if a signal comes.
std::size_t read_some(const FileDescriptor& file, char* into, std::size_t size,
                      const std::string& path, Exit code);

/// Reads a regular file whole.  Throws Error (of the given code) if it cannot be read or holds more
/// than `most` bytes.
std::string read_small_file(const std::string& path, Exit code,
                            std::int64_t most = most_small_file_bytes);
/// The same of a pipe too.
std::string read_small_file_or_pipe(const std::string& path, Exit code, std::int64_t most);

/// Parses JSON text.  Throws Error (of the given code) with line, column and reason; `name` is the
/// file's.  Objects and arrays nest at most 64 deep, and have at most 10,000 named members in all,
/// since each is looked for among all before it.
nlohmann::ordered_json parse_json(std::string_view text, const std::string& name, Exit code);

/// Parses JSON text with up to a million members; they come back in alphabetical order.  A name
/// that an object has twice is an Error.
nlohmann::json parse_large_json(std::string_view text, const std::string& name, Exit code);

/// Reads and parses a JSON file: read_small_file, then parse_json.
nlohmann::ordered_json read_json(const std::string& path, Exit code);

/// Says why a JSON text cannot be parsed, with its place ("line 2, column 7: ..."); empty if it
/// can. Keeps the value in `into`.
std::string parse_json_or_say_why(std::string_view text, nlohmann::ordered_json& into);
/// The same for up to a million members, which come back in alphabetical order.
std::string parse_json_or_say_why(std::string_view text, nlohmann::json& into);

/// Checks that no key of a TOML text has more than 16 parts ("a.b.c" has 3), which the TOML library
/// would follow until the stack ends, and that only texts in quotes and comments hold characters
/// beyond ASCII, for which it has no defined answer elsewhere.  Throws Error (of the given code).
void check_toml_keys(std::string_view text, const std::string& name, Exit code);

}  // namespace dfascale
