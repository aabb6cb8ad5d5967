// Comm over MPI.
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "base/error.hpp"
#include "comm/comm.hpp"

namespace dfascale {
namespace {

// Open MPI's all-reduce loses bandwidth in longer messages.
constexpr std::int64_t bucket_bytes = std::int64_t{16} << 20;

void expect_mpi(int code, const char* call, const char* file, int line) {
  if (code == MPI_SUCCESS) return;
  char reason[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, reason, &length);
  fail(Exit::device, "{} ({}:{}): {}", call, file, line, reason);
}
#define MPI_CHECKED(call) expect_mpi((call), #call, __FILE__, __LINE__)

bool is_running() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started != 0 && ended == 0;
}

template <class T>
void sum_in_buckets(T* values, std::int64_t count, MPI_Datatype type) {
  constexpr std::int64_t bucket = bucket_bytes / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t first = 0; first < count; first += bucket) {
    const int here = static_cast<int>(std::min(bucket, count - first));
    MPI_CHECKED(MPI_Allreduce(MPI_IN_PLACE, values + first, here, type, MPI_SUM, MPI_COMM_WORLD));
  }
}

template <class T>
T reduce_one(T value, MPI_Datatype type, MPI_Op how) {
  MPI_CHECKED(MPI_Allreduce(MPI_IN_PLACE, &value, 1, type, how, MPI_COMM_WORLD));
  return value;
}

}  // namespace

CommScope::CommScope() : exceptions_(std::uncaught_exceptions()) {
  int provided = 0;
  MPI_CHECKED(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  MPI_CHECKED(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
}

CommScope::~CommScope() {
  const bool is_failing = std::uncaught_exceptions() > exceptions_;
  if (is_failing && ranks_are_joined()) return;
  MPI_Finalize();
}

Comm::Comm() {
  MPI_CHECKED(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
  MPI_CHECKED(MPI_Comm_size(MPI_COMM_WORLD, &size_));
  MPI_Comm node = MPI_COMM_NULL;
  MPI_CHECKED(
      MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node));
  MPI_CHECKED(MPI_Comm_rank(node, &local_rank_));
  MPI_CHECKED(MPI_Comm_free(&node));
}

void Comm::all_reduce_sum(float* values, std::int64_t count) const {
  sum_in_buckets(values, count, MPI_FLOAT);
}
void Comm::all_reduce_sum(double* values, std::int64_t count) const {
  sum_in_buckets(values, count, MPI_DOUBLE);
}

double Comm::sum(double value) const { return reduce_one(value, MPI_DOUBLE, MPI_SUM); }
std::int64_t Comm::sum(std::int64_t value) const { return reduce_one(value, MPI_INT64_T, MPI_SUM); }
double Comm::max(double value) const { return reduce_one(value, MPI_DOUBLE, MPI_MAX); }
std::int64_t Comm::max(std::int64_t value) const { return reduce_one(value, MPI_INT64_T, MPI_MAX); }
double Comm::min(double value) const { return reduce_one(value, MPI_DOUBLE, MPI_MIN); }
std::int64_t Comm::min(std::int64_t value) const { return reduce_one(value, MPI_INT64_T, MPI_MIN); }

void Comm::broadcast(void* bytes, std::int64_t count) const {
  for (std::int64_t first = 0; first < count; first += bucket_bytes) {
    const int here = static_cast<int>(std::min(bucket_bytes, count - first));
    MPI_CHECKED(MPI_Bcast(static_cast<char*>(bytes) + first, here, MPI_BYTE, 0, MPI_COMM_WORLD));
  }
}

void Comm::broadcast(std::string& text) const {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(&length, sizeof length);
  text.resize(static_cast<std::size_t>(length));
  broadcast(text.data(), length);
}

std::vector<std::string> Comm::gather(const std::string& text) const {
  const int length = static_cast<int>(text.size());
  std::vector<int> lengths(static_cast<std::size_t>(size_)), starts(lengths.size());
  MPI_CHECKED(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, MPI_COMM_WORLD));
  std::int64_t total = 0;
  for (std::size_t r = 0; rank_ == 0 && r < lengths.size(); ++r) {
    starts[r] = static_cast<int>(total);
    total += lengths[r];
  }
  std::string joined(static_cast<std::size_t>(total), '\0');
  MPI_CHECKED(MPI_Gatherv(text.data(), length, MPI_CHAR, joined.data(), lengths.data(),
                          starts.data(), MPI_CHAR, 0, MPI_COMM_WORLD));
  std::vector<std::string> texts;
  for (std::size_t r = 0; rank_ == 0 && r < lengths.size(); ++r) {
    texts.push_back(
        joined.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
  }
  return texts;
}

void Comm::barrier() const { MPI_CHECKED(MPI_Barrier(MPI_COMM_WORLD)); }

bool ranks_are_joined() {
  if (!is_running()) return false;
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size > 1;
}

void end_all_ranks(int exit_code) {
  if (is_running()) MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);  // MPI_Abort may return before the launcher ends this rank
}

int own_rank() {
  if (is_running()) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
  }
  // Open MPI, MPICH and its kin, Slurm.
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const char* text = std::getenv(name)) return std::atoi(text);
  }
  return 0;
}

std::string comm_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text);
  return version.substr(0, version.find_first_of(",\n"));
}

}  // namespace dfascale
