// Comm and ArrayComm for a build without MPI: one rank, to which every sum is its own value.
#include <cstdlib>
#include <stdexcept>

#include "comm/arrays.hpp"

namespace dfascale {

struct Comm::Group {};

CommScope::CommScope() : exceptions_(0) {}
CommScope::~CommScope() = default;

Comm::Comm() = default;
Comm Comm::split(int /*colour*/, int /*key*/) const { return {}; }

// There is nobody to send to: a layout of one rank has one stage.
Request Comm::start_send(const void*, std::int64_t, int, int) const {
  throw std::logic_error("a message in a build without MPI");
}
Request Comm::start_receive(void*, std::int64_t, int, int) const {
  throw std::logic_error("a message in a build without MPI");
}
Request Comm::start_all_reduce_max(std::int64_t& /*value*/) const { return {}; }
Request Comm::start_broadcast(void*, std::int64_t, int) const { return {}; }
void Comm::wait_until(const std::function<bool()>& is_so, const std::function<std::string()>&) {
  if (!is_so()) throw std::logic_error("one rank waits for another in a build without MPI");
}
void Comm::wait_for_message(int, int, const std::function<std::string()>&) const {}
void Comm::wait(Request& /*request*/, const std::function<std::string()>& /*what*/) const {}

double Comm::sum(double value) const { return value; }
std::int64_t Comm::sum(std::int64_t value) const { return value; }
double Comm::max(double value) const { return value; }
std::int64_t Comm::max(std::int64_t value) const { return value; }
double Comm::min(double value) const { return value; }
std::int64_t Comm::min(std::int64_t value) const { return value; }
void Comm::sum_in_order(std::vector<double>& /*values*/) const {}
void Comm::max(std::vector<double>& /*values*/) const {}
void Comm::broadcast(void* /*bytes*/, std::int64_t /*count*/) const {}
void Comm::broadcast(std::string& /*text*/) const {}
std::vector<std::string> Comm::gather(const std::string& text) const { return {text}; }
void Comm::barrier() const {}

struct ArrayComm::State {};

ArrayComm::ArrayComm(const Comm& ranks, const Device&, const std::vector<Route>&, SumsBy)
    : ranks_(ranks) {}
Request ArrayComm::start_send(ConstVec, int, int) const {
  throw std::logic_error("a message in a build without MPI");
}
Request ArrayComm::start_receive(Vec, int, int) const {
  throw std::logic_error("a message in a build without MPI");
}
void ArrayComm::wait_for_message(int, int, const std::function<std::string()>&) const {}
Request ArrayComm::start_all_reduce_sum(Vec) const { return {}; }
Request ArrayComm::start_reduce_scatter_sum(Vec, std::span<const std::int64_t>) const { return {}; }
Request ArrayComm::start_all_gather(Vec, std::span<const std::int64_t>) const { return {}; }
Request ArrayComm::start_broadcast(Vec, int) const { return {}; }

ProgressStep::ProgressStep(std::function<void()> step) : step_(std::move(step)) {}
ProgressStep::~ProgressStep() = default;
void progress_messages() {}
void tell_failure(const Error& /*error*/) noexcept {}
bool ranks_are_joined() { return false; }
void end_all_ranks(int exit_code) { std::_Exit(exit_code); }
int own_rank() { return 0; }
std::string comm_library() { return "none"; }

}  // namespace dfascale
