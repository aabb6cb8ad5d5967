// Comm over MPI.
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <thread>

#include "base/clock.hpp"
#include "base/last_words.hpp"
#include "base/log.hpp"
#include "comm/comm.hpp"
#include "comm/mpi_calls.hpp"

namespace dfascale {
namespace {

constexpr std::int64_t broadcast_bytes = std::int64_t{16} << 20;

// A waiting rank polls for a moment and then naps: the core may be another rank's.
constexpr double seconds_of_polling = 50e-6, seconds_to_a_warning = 60, longest_nap = 1;
constexpr std::chrono::microseconds nap{20};
constexpr unsigned long timer_slack_nanoseconds = 1000;  // Linux' own would double the nap

constexpr int failure_tag = 1;
constexpr int gather_tag = 32767;   // the highest that every MPI has: no caller's
MPI_Comm failures = MPI_COMM_NULL;  // what tell_failure sends on, as long as a CommScope lives

std::vector<const std::function<void()>*> progressing;  // the steps of all ProgressStep that live

bool is_running() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started != 0 && ended == 0;
}

template <class T>
Request begin_reduce(MPI_Comm comm, T& value, MPI_Datatype type, MPI_Op how) {
  MPI_Request request;
  MPI_CHECKED(MPI_Iallreduce(MPI_IN_PLACE, &value, 1, type, how, comm, &request));
  return following(request);
}

}  // namespace

Comm::Group::~Group() {
  if (comm != MPI_COMM_WORLD && is_running()) MPI_Comm_free(&comm);
}

CommScope::CommScope() : exceptions_(std::uncaught_exceptions()) {
  int provided = 0;
  // For checkpoints in the background; a library that provides less has them in the foreground.
  MPI_WATCHED(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  MPI_CHECKED(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  MPI_WATCHED(MPI_Comm_dup, MPI_COMM_WORLD, &failures);
  prctl(PR_SET_TIMERSLACK, timer_slack_nanoseconds);
}

CommScope::~CommScope() {
  const bool is_failing = std::uncaught_exceptions() > exceptions_;
  if (is_failing && ranks_are_joined()) return;
  const Watched watched(own_rank(), "MPI_Finalize");
  MPI_Comm_free(&failures);
  MPI_Finalize();
}

Comm::Comm() : Comm(std::make_shared<const Group>(MPI_COMM_WORLD)) {}

Comm::Comm(std::shared_ptr<const Group> group) : group_(std::move(group)) {
  MPI_CHECKED(MPI_Comm_rank(group_->comm, &rank_));
  MPI_CHECKED(MPI_Comm_size(group_->comm, &size_));
  MPI_Comm node = MPI_COMM_NULL;
  MPI_WATCHED(MPI_Comm_split_type, group_->comm, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node);
  MPI_CHECKED(MPI_Comm_rank(node, &local_rank_));
  int on_node = 0;
  MPI_CHECKED(MPI_Comm_size(node, &on_node));
  is_on_one_node_ = on_node == size_;
  MPI_WATCHED(MPI_Comm_free, &node);
}

Comm Comm::split(int colour, int key) const {
  MPI_Comm part = MPI_COMM_NULL;
  MPI_WATCHED(MPI_Comm_split, group_->comm, colour, key, &part);
  Comm made(std::make_shared<const Group>(part));
  made.is_on_one_node_ = min(std::int64_t{made.is_on_one_node_}) != 0;
  return made;
}

Request Comm::start_send(const void* bytes, std::int64_t count, int to, int tag) const {
  MPI_Request request;
  MPI_CHECKED(MPI_Isend(bytes, count_of(count), MPI_BYTE, to, tag, group_->comm, &request));
  return following(request);
}

Request Comm::start_receive(void* bytes, std::int64_t count, int from, int tag) const {
  MPI_Request request;
  MPI_CHECKED(MPI_Irecv(bytes, count_of(count), MPI_BYTE, from, tag, group_->comm, &request));
  return following(request);
}

Request Comm::start_all_reduce_max(std::int64_t& value) const {
  MPI_Request request;
  MPI_CHECKED(
      MPI_Iallreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MAX, group_->comm, &request));
  return following(request);
}

Request Comm::start_broadcast(void* bytes, std::int64_t count, int root) const {
  MPI_Request request;
  MPI_CHECKED(MPI_Ibcast(bytes, count_of(count), MPI_BYTE, root, group_->comm, &request));
  return following(request);
}

void Comm::wait_until(const std::function<bool()>& is_so,
                      const std::function<std::string()>& what) {
  if (is_so()) return;
  double last = seconds_now(), waited = 0, next_warning = seconds_to_a_warning;
  while (!is_so()) {
    progress_messages();
    const double now = seconds_now();
    waited += std::min(now - last, longest_nap);  // the process may have been stopped for a while
    last = now;
    if (waited < seconds_of_polling) continue;
    std::this_thread::sleep_for(nap);
    if (waited < next_warning) continue;
    log::warning_of_rank(own_rank(), fmt::format("{}, for {:.0f} s", what(), waited));
    next_warning *= 2;
  }
}

void Comm::wait(Request& request, const std::function<std::string()>& what) const {
  wait_until([&] { return request.done(); }, what);
}

void Comm::wait_for_message(int from, int tag, const std::function<std::string()>& what) const {
  wait_until(
      [&] {
        int is_there = 0;
        MPI_CHECKED(MPI_Iprobe(from, tag, group_->comm, &is_there, MPI_STATUS_IGNORE));
        return is_there != 0;
      },
      what);
}

/// Collectives on few numbers wait as messages do: politely, and noticing what other ranks tell.
void Comm::finish(Request request) const {
  wait(request, [] { return std::string("waits for other ranks"); });
}

double Comm::sum(double value) const {
  finish(begin_reduce(group_->comm, value, MPI_DOUBLE, MPI_SUM));
  return value;
}
std::int64_t Comm::sum(std::int64_t value) const {
  finish(begin_reduce(group_->comm, value, MPI_INT64_T, MPI_SUM));
  return value;
}
double Comm::max(double value) const {
  finish(begin_reduce(group_->comm, value, MPI_DOUBLE, MPI_MAX));
  return value;
}
std::int64_t Comm::max(std::int64_t value) const {
  finish(begin_reduce(group_->comm, value, MPI_INT64_T, MPI_MAX));
  return value;
}
double Comm::min(double value) const {
  finish(begin_reduce(group_->comm, value, MPI_DOUBLE, MPI_MIN));
  return value;
}
std::int64_t Comm::min(std::int64_t value) const {
  finish(begin_reduce(group_->comm, value, MPI_INT64_T, MPI_MIN));
  return value;
}

void Comm::sum_in_order(std::vector<double>& values) const {
  if (size_ == 1) return;
  const int count = static_cast<int>(values.size());
  std::vector<double> all(values.size() * static_cast<std::size_t>(size_));
  MPI_Request request;
  MPI_CHECKED(MPI_Iallgather(values.data(), count, MPI_DOUBLE, all.data(), count, MPI_DOUBLE,
                             group_->comm, &request));
  finish(following(request));
  std::fill(values.begin(), values.end(), 0.0);
  for (std::size_t i = 0; i < all.size(); ++i) values[i % values.size()] += all[i];
}

void Comm::max(std::vector<double>& values) const {
  MPI_Request request;
  MPI_CHECKED(MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()),
                             MPI_DOUBLE, MPI_MAX, group_->comm, &request));
  finish(following(request));
}

void Comm::broadcast(void* bytes, std::int64_t count) const {
  for (std::int64_t first = 0; first < count; first += broadcast_bytes)
    finish(start_broadcast(static_cast<char*>(bytes) + first,
                           std::min(broadcast_bytes, count - first), 0));
}

void Comm::broadcast(std::string& text) const {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(&length, sizeof length);
  text.resize(static_cast<std::size_t>(length));
  broadcast(text.data(), length);
}

std::vector<std::string> Comm::gather(const std::string& text) const {
  const int length = count_of(static_cast<std::int64_t>(text.size()));
  std::vector<int> lengths(static_cast<std::size_t>(size_));
  MPI_Request request;
  MPI_CHECKED(
      MPI_Igather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, group_->comm, &request));
  finish(following(request));
  if (rank_ > 0) {
    finish(start_send(text.data(), length, 0, gather_tag));
    return {};
  }
  // One by one: together they may be longer than MPI counts.
  std::vector<std::string> texts{text};
  for (int r = 1; r < size_; ++r) {
    texts.emplace_back(static_cast<std::size_t>(lengths[static_cast<std::size_t>(r)]), '\0');
    finish(start_receive(texts.back().data(), lengths[static_cast<std::size_t>(r)], r, gather_tag));
  }
  return texts;
}

void Comm::barrier() const {
  MPI_Request request;
  MPI_CHECKED(MPI_Ibarrier(group_->comm, &request));
  finish(following(request));
}

ProgressStep::ProgressStep(std::function<void()> step) : step_(std::move(step)) {
  progressing.push_back(&step_);
}
ProgressStep::~ProgressStep() { std::erase(progressing, &step_); }

void progress_messages() {
  for (const std::function<void()>* step : progressing) (*step)();
  int told = 0;
  MPI_Status status;
  MPI_CHECKED(MPI_Iprobe(MPI_ANY_SOURCE, failure_tag, failures, &told, &status));
  if (told == 0) return;
  int length = 0;
  MPI_CHECKED(MPI_Get_count(&status, MPI_BYTE, &length));
  std::string text(static_cast<std::size_t>(length), '\0');
  MPI_CHECKED(MPI_Recv(text.data(), length, MPI_BYTE, status.MPI_SOURCE, failure_tag, failures,
                       MPI_STATUS_IGNORE));
  const auto code = static_cast<Exit>(text.at(0));
  throw OtherRanksError(code, fmt::format("rank {}: {}", status.MPI_SOURCE, text.substr(1)));
}

void tell_failure(const Error& error) noexcept {
  if (own_rank() == 0 || !ranks_are_joined()) return;
  // Kept until the end of the process, which is near: the message is not waited for.
  static std::string text;
  text = static_cast<char>(error.code()) + std::string(error.what());
  static MPI_Request request;
  MPI_Isend(text.data(), static_cast<int>(text.size()), MPI_BYTE, 0, failure_tag, failures,
            &request);
}

bool ranks_are_joined() {
  if (!is_running()) return false;
  int size = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size > 1;
}

void end_all_ranks(int exit_code) {
  end_is_foreseen();
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
