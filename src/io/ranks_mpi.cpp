// The writing ranks over MPI.
#include <mpi.h>

#include <chrono>
#include <limits>
#include <thread>

#include "base/watchdog.hpp"
#include "io/writer_ranks.hpp"

namespace dfascale {

namespace {

void expect_mpi(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(result, text, &length);
  fail(Exit::device, "{}: {}", call, std::string(text, length));
}

bool mpi_runs() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started && !ended;
}

// Without spinning: a rank may wait long for another's disk, and its core is for training
// meanwhile.
void wait_for(MPI_Request& request) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const Watched watched(rank, "a checkpoint that all ranks write or read");
  constexpr auto pause = std::chrono::microseconds(100);
  for (int done = 0;;) {
    expect_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done) return;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

struct WriterRanks::Group {
  MPI_Comm comm = MPI_COMM_NULL;  // null: one process
  int rank = 0, size = 1;

  Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    if (comm != MPI_COMM_NULL && mpi_runs()) MPI_Comm_free(&comm);
  }
};

WriterRanks WriterRanks::all() {
  auto group = std::make_shared<Group>();
  if (mpi_runs()) {
    MPI_Request request = MPI_REQUEST_NULL;
    expect_mpi(MPI_Comm_idup(MPI_COMM_WORLD, &group->comm, &request), "MPI_Comm_idup");
    wait_for(request);
    expect_mpi(MPI_Comm_set_errhandler(group->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    expect_mpi(MPI_Comm_rank(group->comm, &group->rank), "MPI_Comm_rank");
    expect_mpi(MPI_Comm_size(group->comm, &group->size), "MPI_Comm_size");
  }
  return WriterRanks(group);
}

WriterRanks WriterRanks::alone() { return WriterRanks(std::make_shared<Group>()); }

int WriterRanks::rank() const { return group_->rank; }
int WriterRanks::size() const { return group_->size; }

bool WriterRanks::may_use_threads() const {
  if (size() == 1) return true;
  int provided = MPI_THREAD_SINGLE;
  expect_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
  return provided == MPI_THREAD_MULTIPLE;
}

std::vector<std::uint64_t> WriterRanks::gather(const std::vector<std::uint64_t>& words) const {
  if (size() == 1) return words;
  std::vector<std::uint64_t> all(words.size() * size());
  const int count = static_cast<int>(words.size());
  MPI_Request request = MPI_REQUEST_NULL;
  expect_mpi(MPI_Iallgather(words.data(), count, MPI_UINT64_T, all.data(), count, MPI_UINT64_T,
                            group_->comm, &request),
             "MPI_Iallgather");
  wait_for(request);
  return all;
}

namespace {

std::string broadcast(MPI_Comm comm, int from, std::string text) {
  std::int64_t length = static_cast<std::int64_t>(text.size());
  MPI_Request request = MPI_REQUEST_NULL;
  expect_mpi(MPI_Ibcast(&length, 1, MPI_INT64_T, from, comm, &request), "MPI_Ibcast");
  wait_for(request);
  text.resize(length);
  expect_mpi(MPI_Ibcast(text.data(), static_cast<int>(length), MPI_CHAR, from, comm, &request),
             "MPI_Ibcast");
  wait_for(request);
  return text;
}

}  // namespace

std::string WriterRanks::from_first(const std::string& text) const {
  return size() == 1 ? text : broadcast(group_->comm, 0, text);
}

void WriterRanks::agree(Exit code, const std::string& trouble) const {
  if (size() == 1) {
    if (!trouble.empty()) throw Error(code, trouble);
    return;
  }
  // Rank and exit code in one number, so that the smallest one tells both.
  constexpr int codes = 256, none = std::numeric_limits<int>::max();
  const int mine = trouble.empty() ? none : rank() * codes + static_cast<int>(code);
  int first = none;
  MPI_Request request = MPI_REQUEST_NULL;
  expect_mpi(MPI_Iallreduce(&mine, &first, 1, MPI_INT, MPI_MIN, group_->comm, &request),
             "MPI_Iallreduce");
  wait_for(request);
  if (first == none) return;
  const int teller = first / codes;
  const std::string text = broadcast(group_->comm, teller, teller == rank() ? trouble : "");
  throw Error(static_cast<Exit>(first % codes), fmt::format("rank {}: {}", teller, text));
}

}  // namespace dfascale
