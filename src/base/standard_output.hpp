// Standard output as something that can fail: a full disk, a closed pipe.
#pragma once

namespace dfascale {

/// Opens /dev/null for the standard streams that the program was started without (`>&-`), so that
/// no file it opens later takes their numbers and receives what it prints.  The first call of main.
void open_standard_streams();

/// Writes out what was printed and returns the program's exit code: `code`, or, where that means
/// success and the output could not be written, `code_of_failure`, after saying so.  The last call
/// of main.
int end_output(int code, int code_of_failure);

/// Gives up standard output where a file holds the same lines: says so once and forgets what could
/// not be written.
void give_up_output(const char* where_it_is);

}  // namespace dfascale
