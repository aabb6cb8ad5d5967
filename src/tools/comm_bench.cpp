// dfascale bench comm: what the ranks exchange, by size: all-reduce, reduce-scatter, all-gather and
// broadcast of arrays, and messages from one rank to the next.  Bandwidths are those of nccl-tests:
// of the algorithm, size over time, and of the bus, what each rank must send at least over time.
#include <algorithm>
#include <cmath>
#include <memory>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/arrays.hpp"
#include "comm/session.hpp"
#include "io/files.hpp"
#include "kernels/residual.hpp"
#include "model/arena.hpp"
#include "tools/bench.hpp"
#include "tools/bench_figures.hpp"

namespace dfascale {
namespace {

using Json = nlohmann::ordered_json;

struct CommOptions {
  std::string json;
  double least_kib = 1, most_mib = 256, factor = 4, seconds = 0.5;
};

/// What an operation works on: a rank's array, and its cut into one part a rank.
struct Ring {
  const ArrayComm& arrays;
  std::vector<std::int64_t> cuts;

  int next() const { return (arrays.rank() + 1) % arrays.size(); }
  int previous() const { return (arrays.rank() + arrays.size() - 1) % arrays.size(); }
  void wait(Request&& request) const {
    arrays.wait(std::move(request), [] { return std::string("bench comm"); });
  }
};

double sum_of_ranks(double n) { return n * (n + 1) / 2; }

Vec everything(const Ring&, Vec values) { return values; }
Vec own_part(const Ring& ring, Vec values) {
  const auto rank = static_cast<std::size_t>(ring.arrays.rank());
  return values.part(ring.cuts[rank], ring.cuts[rank + 1] - ring.cuts[rank]);
}
Vec part_of_previous(const Ring& ring, Vec values) {
  const auto rank = static_cast<std::size_t>(ring.previous());
  return values.part(ring.cuts[rank], ring.cuts[rank + 1] - ring.cuts[rank]);
}
Vec second_half(const Ring&, Vec values) { return values.part(values.size / 2, values.size / 2); }

/// One operation: how it is started and finished; where each value of a rank that held rank + 1
/// everywhere is `result` afterwards; and the least that a rank must send, as a share of what it is
/// about.
struct Operation {
  const char* name;
  void (*run)(const Ring& ring, Vec values);
  Vec (*changed)(const Ring& ring, Vec values);
  double (*result)(const Ring& ring);
  double (*sent)(double n);
  double share_of_array = 1;  ///< that it is about: from one half to the other there are less
};

constexpr Operation operations[] = {
    {"all_reduce", [](const Ring& r, Vec values) { r.wait(r.arrays.start_all_reduce_sum(values)); },
     everything, [](const Ring& r) { return sum_of_ranks(r.arrays.size()); },
     [](double n) { return 2 * (n - 1) / n; }},
    {"reduce_scatter",
     [](const Ring& r, Vec values) { r.wait(r.arrays.start_reduce_scatter_sum(values, r.cuts)); },
     own_part, [](const Ring& r) { return sum_of_ranks(r.arrays.size()); },
     [](double n) { return (n - 1) / n; }},
    {"all_gather",
     [](const Ring& r, Vec values) { r.wait(r.arrays.start_all_gather(values, r.cuts)); },
     part_of_previous, [](const Ring& r) { return r.previous() + 1.0; },
     [](double n) { return (n - 1) / n; }},
    {"broadcast", [](const Ring& r, Vec values) { r.wait(r.arrays.start_broadcast(values, 0)); },
     everything, [](const Ring&) { return 1.0; }, [](double) { return 1.0; }},
    {"send to next",
     [](const Ring& r, Vec values) {
       const std::int64_t half = values.size / 2;
       Request received = r.arrays.start_receive(values.part(half, half), r.previous(), 0);
       r.wait(r.arrays.start_send(values.part(0, half), r.next(), 0));
       r.wait(std::move(received));
     },
     second_half, [](const Ring& r) { return r.previous() + 1.0; }, [](double) { return 1.0; },
     0.5},
};

struct Figures {
  const char* operation;
  std::int64_t bytes;
  Timing timing;  ///< of the slowest rank
  double sent;    ///< bytes that a rank must send at least
  std::int64_t wrong;
  double algorithm_bandwidth() const { return static_cast<double>(bytes) / timing.median; }
  double bus_bandwidth() const { return sent / timing.median; }
};

/// Values that are not what the operation should have made of them, on all ranks.
std::int64_t count_wrong(const Device& on, const Ring& ring, const Operation& operation,
                         Vec values) {
  fill(on, values, static_cast<float>(ring.arrays.rank() + 1));
  operation.run(ring, values);
  const Vec changed = operation.changed(ring, values);
  std::vector<float> found(static_cast<std::size_t>(changed.size));
  copy_to_host(on, found.data(), changed.data, found.size() * sizeof(float));
  const auto expected = static_cast<float>(operation.result(ring));
  return ring.arrays.ranks().sum(static_cast<std::int64_t>(
      std::ranges::count_if(found, [&](float value) { return value != expected; })));
}

Timing time_together(const Ring& ring, const Device& on, double seconds,
                     const std::function<void()>& operation) {
  const Comm& ranks = ring.arrays.ranks();
  std::vector<double> times;
  const auto call = [&] {
    ranks.barrier();
    const double start = seconds_now();
    operation();
    fence(on);
    return ranks.max(seconds_now() - start);
  };
  const double first = call();
  const auto repetitions =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / std::max(first, 1e-7)), 5, 1000);
  for (std::int64_t i = 0; i < repetitions; ++i) times.push_back(call());
  return timing_of(std::move(times));
}

Figures measure(const Device& on, const Ring& ring, const Operation& operation, Vec values,
                double seconds) {
  const std::int64_t wrong = count_wrong(on, ring, operation, values);
  fill(on, values, 0.0f);  // sums of sums would overflow
  const auto bytes =
      static_cast<std::int64_t>(operation.share_of_array * 4 * static_cast<double>(values.size));
  return {operation.name, bytes,
          time_together(ring, on, seconds, [&] { operation.run(ring, values); }),
          operation.sent(ring.arrays.size()) * static_cast<double>(bytes), wrong};
}

/// Half of the array copied to the other half, by all ranks at once.
Figures measure_copy(const Device& on, const Ring& ring, Vec values, double seconds) {
  const std::int64_t half = values.size / 2;
  const Timing timing = time_together(
      ring, on, seconds, [&] { copy(on, values.part(half, half), values.part(0, half)); });
  return {"copy in memory", half * 4, timing, static_cast<double>(half * 4), 0};
}

void print(const Figures& f) {
  log::say("{:>12} {:<16}{:>12.1f}{:>22}{:>10.2f}{:>10.2f}{:>7}", f.bytes, f.operation,
           1e6 * f.timing.median,
           fmt::format("({:.1f}, {:.1f})", 1e6 * f.timing.least, 1e6 * f.timing.most),
           f.algorithm_bandwidth() / 1e9, f.bus_bandwidth() / 1e9, f.wrong);
}

void write_json(const std::string& file, int ranks, const std::vector<Figures>& all) {
  Json json = bench_json("comm");
  json["ranks"] = ranks;
  json["library"] = comm_library();
  for (const Figures& f : all) {
    Json row = {{"operation", f.operation}, {"bytes", f.bytes}};
    row.update(timing_json(f.timing));
    row.update({{"algorithm_bytes_per_second", f.algorithm_bandwidth()},
                {"bus_bytes_per_second", f.bus_bandwidth()},
                {"wrong", f.wrong}});
    json["operations"].push_back(row);
  }
  write_atomically(file, json_text(json) + "\n", Folder::of_user);
}

std::vector<Route> ring_routes(int size) {
  std::vector<Route> routes;
  for (int rank = 0; rank < size; ++rank) routes.push_back({rank, (rank + 1) % size});
  return routes;
}

int bench_comm(const CommOptions& options) {
  const Session session;
  const Comm& comm = session.comm();
  if (comm.size() < 2)
    fail(Exit::usage,
         "bench comm measures what ranks exchange: start two or more, as mpirun -n 2 does");
  const ArrayComm arrays(comm, session.device(), ring_routes(comm.size()));
  constexpr double floats_in_kib = 256, floats_in_mib = 262144;
  const auto most = static_cast<std::int64_t>(options.most_mib * floats_in_mib) / 2 * 2;
  Arena arena;
  arena.vec(most);
  arena.commit();
  const Vec memory = arena.vec(most);
  say_machine();
  log::say("{:<16}{} ranks, {}", "messages", comm.size(), comm_library());
  log::say("{:>12} {:<16}{:>12}{:>22}{:>10}{:>10}{:>7}", "bytes", "operation", "us",
           "(best, slowest)", "GB/s", "bus GB/s", "wrong");
  std::vector<Figures> all;
  for (double size = options.least_kib * floats_in_kib; size <= static_cast<double>(most);
       size *= options.factor) {
    const Vec values =
        memory.part(0, std::max<std::int64_t>(static_cast<std::int64_t>(size) / 2 * 2, 2));
    Ring ring{arrays, {}};
    for (int r = 0; r <= comm.size(); ++r) ring.cuts.push_back(values.size * r / comm.size());
    for (const Operation& operation : operations)
      all.push_back(measure(session.device(), ring, operation, values, options.seconds));
    all.push_back(measure_copy(session.device(), ring, values, options.seconds));
    for (auto f = all.end() - std::size(operations) - 1; f != all.end(); ++f) print(*f);
  }
  if (!options.json.empty() && comm.rank() == 0) write_json(options.json, comm.size(), all);
  for (const Figures& f : all)
    if (f.wrong > 0)
      fail(Exit::device, "{} of {} bytes: {} wrong values", f.operation, f.bytes, f.wrong);
  return static_cast<int>(Exit::done);
}

}  // namespace

void add_comm(CLI::App& bench, Run& run) {
  const auto options = std::make_shared<CommOptions>();
  CLI::App* command = bench.add_subcommand(
      "comm", "Time sums, copies and messages between the ranks that are running, by size");
  const auto number = [&](const char* name, double& at, double least, double most,
                          const char* help) {
    command->add_option(name, at, help)->check(between(least, most))->capture_default_str();
  };
  number("--least-kib", options->least_kib, 0.01, 1e9, "Smallest array, KiB");
  number("--most-mib", options->most_mib, 1e-4, 1e6, "Largest array, MiB");
  number("--factor", options->factor, 1.1, 1e6, "From one size to the next");
  number("--seconds", options->seconds, 0, 60, "For each operation and size");
  command->add_option("--json", options->json, "Also write the figures to this file");
  command->footer(
      "GB/s: bytes over time; bus GB/s: what each rank must send at least over time, comparable "
      "with\n"
      "the bandwidth of links, and with a copy in memory by all ranks at once.\n"
      "Example:\n"
      "  mpirun -n 2 dfascale bench comm --most-mib 64");
  command->callback([options, &run] { run = [options] { return bench_comm(*options); }; });
}

}  // namespace dfascale
