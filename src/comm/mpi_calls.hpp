// What the files over MPI share: calls whose errors are told, and requests that follow MPI's.
#pragma once

#include <mpi.h>

#include <limits>

#include "base/watchdog.hpp"
#include "comm/comm.hpp"

namespace dfascale {

inline void expect_mpi(int code, const char* call, const char* file, int line) {
  if (code == MPI_SUCCESS) return;
  char reason[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, reason, &length);
  fail(Exit::device, "{} ({}:{}): {}", call, file, line, reason);
}
#define MPI_CHECKED(call) expect_mpi((call), #call, __FILE__, __LINE__)

/// For calls that wait for other ranks where no request can be polled.
template <class Call>
int watched_mpi(const char* name, const Call& call) {
  const Watched watched(own_rank(), name);
  return call();
}
#define MPI_WATCHED(function, ...) \
  MPI_CHECKED(watched_mpi(#function, [&] { return function(__VA_ARGS__); }))

/// MPI counts in int.
inline int count_of(std::int64_t count) {
  if (count > std::numeric_limits<int>::max())
    fail(Exit::device, "a message of {} elements: MPI takes at most {}; use more ranks", count,
         std::numeric_limits<int>::max());
  return static_cast<int>(count);
}

inline bool is_done(MPI_Request& request) {
  int done = 0;
  MPI_CHECKED(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
  return done != 0;
}

inline Request following(MPI_Request request) {
  return Request([request]() mutable { return is_done(request); });
}

struct Comm::Group {
  MPI_Comm comm;
  explicit Group(MPI_Comm comm) : comm(comm) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group();
};

}  // namespace dfascale
