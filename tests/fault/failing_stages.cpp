// Trains on all ranks for ever, until one fails in the way that the command line names:
// failing_stages RULE SCHEDULE DP PP HOW RANK, HOW one of
//   values     the rank's parameters are not finite from the middle of training on
//   tokens     a stage that reads tokens cannot read a micro-batch in the middle of a step
//   exception  the same, with an exception that is no Error
// tests/fault/schedules.py launches it.
#include <algorithm>
#include <limits>

#include "tests/support/layouts.hpp"

namespace dfascale::test {
namespace {

constexpr std::int64_t last_good_step = 5;

struct Fault {
  std::string how;
  int rank;
};

/// The case's tokens, until it is time.
TokenSource failing_tokens(const TokenSource& good, const Fault& fault,
                           std::int64_t micro_batches) {
  return [=](std::int64_t m, Batch& batch) -> std::int64_t {
    if (m != micro_batches / 2) return good(m, batch);
    if (fault.how == "tokens") fail(Exit::data, "micro-batch {} cannot be read", m);
    throw std::out_of_range("not an Error");
  };
}

void spoil(const LayoutModel& trained) {
  for (const Learner* learner : trained.model().learners())
    std::fill_n(learner->values().data, learner->values().size,
                std::numeric_limits<float>::quiet_NaN());
}

int train(const Case& c, const Fault& fault) {
  const Session session;
  LayoutModel trained(session.comm(), session.device(), c);
  for (std::int64_t step = 1;; ++step) {
    const TokenSource good =
        tokens_of(step - 1, trained.training(), trained.model().grid().replica);
    const bool fails = step > last_good_step && session.comm().rank() == fault.rank;
    if (fails && fault.how == "values") spoil(trained);
    trained.step(
        step, fails && fault.how != "values" ? failing_tokens(good, fault, c.micro_batches) : good);
  }
}

/// The case of the command line on this number of ranks.
int run(int argc, char** argv) {
  if (argc != 7) fail(Exit::usage, "expected RULE SCHEDULE DP PP HOW RANK");
  const Case c{argv[1], false, true, argv[2], "", std::stoll(argv[3]), std::stoll(argv[4]),
               0,       6,     0};
  return train(c, {argv[5], std::stoi(argv[6])});
}

}  // namespace
}  // namespace dfascale::test

int main(int argc, char** argv) {
  return dfascale::run_guarded([&] { return dfascale::test::run(argc, argv); });
}
