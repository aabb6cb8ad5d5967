// Comm for a build without MPI: one rank, to which every sum is its own value.
#include <cstdlib>

#include "comm/comm.hpp"

namespace dfascale {

CommScope::CommScope() : exceptions_(0) {}
CommScope::~CommScope() = default;

Comm::Comm() = default;
void Comm::all_reduce_sum(float* /*values*/, std::int64_t /*count*/) const {}
void Comm::all_reduce_sum(double* /*values*/, std::int64_t /*count*/) const {}
double Comm::sum(double value) const { return value; }
std::int64_t Comm::sum(std::int64_t value) const { return value; }
double Comm::max(double value) const { return value; }
std::int64_t Comm::max(std::int64_t value) const { return value; }
double Comm::min(double value) const { return value; }
std::int64_t Comm::min(std::int64_t value) const { return value; }
void Comm::broadcast(void* /*bytes*/, std::int64_t /*count*/) const {}
void Comm::broadcast(std::string& /*text*/) const {}
std::vector<std::string> Comm::gather(const std::string& text) const { return {text}; }
void Comm::barrier() const {}

bool ranks_are_joined() { return false; }
void end_all_ranks(int exit_code) { std::_Exit(exit_code); }
int own_rank() { return 0; }
std::string comm_library() { return "none"; }

}  // namespace dfascale
