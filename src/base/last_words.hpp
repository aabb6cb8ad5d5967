// Ends of the program that its libraries decide: exit, abort, an exception where none may pass,
// and, where a limit keeps memory short (ulimit -v, -d), a crash behind an allocation that failed.
#pragma once

namespace dfascale {

/// From now on such an end is told, and its exit code is that of Exit::device.  To be called before
/// anything else.
void tell_unforeseen_ends();
/// From now on calls of exit are the program's own.
void end_is_foreseen();
/// Ends the program with this code, and tells an end that is not foreseen; for a main that replaces
/// _exit() for its libraries.
[[noreturn]] void end_by_library(int exit_code);

/// Gives back memory that was kept for telling that there is none left.
void release_memory_for_last_words();

}  // namespace dfascale
