#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tuple>

#include "pipeline/actions.hpp"
#include "pipeline/grid.hpp"
#include "pipeline/rehearse.hpp"

namespace dfascale {
namespace {

constexpr std::int32_t absent = -1;

/// "F3 of stage 1", ">e3 of stage 4 to stage 1"
std::string told(const Action& a) {
  std::string text = fmt::format("{} of stage {}", short_name(a), a.stage);
  if (is_message(a.op)) text += fmt::format(" {} stage {}", is_send(a.op) ? "to" : "from", a.peer);
  return text;
}

class Checker {
 public:
  explicit Checker(const Plan& plan);
  void check();

 private:
  void place(std::size_t rank, std::size_t at);
  void expect_all();
  void expect(const Action& a);
  void expect_stage(std::int32_t s);
  void expect_once(std::int32_t s);
  void expect_messages(std::int32_t s, std::int32_t m);
  void check_row(std::size_t rank);
  void check_order(std::size_t rank, std::size_t at);
  std::vector<Action> needed_before(const Action& a) const;
  std::vector<Action> needed_once(const Action& a) const;
  void check_links();
  [[noreturn]] void refuse(std::size_t rank, std::size_t at, const std::string& why) const;

  const StageRole& role(std::int32_t s) const { return plan_.roles[static_cast<std::size_t>(s)]; }
  std::size_t rank_of(std::int32_t s) const {
    return static_cast<std::size_t>(plan_.rank_of[static_cast<std::size_t>(s)]);
  }
  bool is_stage(std::int32_t s) const { return s >= 0 && s <= top_; }
  bool shares() const { return plan_.ties.tied_matrix && top_ > 0; }
  /// Where the action is in its rank's row.
  std::int32_t& at(const Action& a);
  bool is_there(const Action& a) { return at(a) != absent; }

  const Plan& plan_;
  std::int32_t top_;
  std::vector<std::int32_t> places_;
  std::vector<std::int32_t> computations_;  ///< by stage
  std::vector<bool> splits_;                ///< by stage: backward in halves
};

Checker::Checker(const Plan& plan)
    : plan_(plan),
      top_(plan.stages() - 1),
      computations_(plan.rank_of.size(), 0),
      splits_(plan.rank_of.size(), false) {
  const auto ops = static_cast<std::size_t>(Op::update) + 1;
  places_.assign(ops * plan.rank_of.size() * static_cast<std::size_t>(plan.micro_batches + 1),
                 absent);
}

/// Errors go to many stages: they are told apart by where they go.
std::int32_t& Checker::at(const Action& a) {
  const std::int32_t stage = a.op == Op::send_error ? a.peer : a.stage;
  const auto row =
      static_cast<std::size_t>(a.op) * plan_.rank_of.size() + static_cast<std::size_t>(stage);
  return places_[row * static_cast<std::size_t>(plan_.micro_batches + 1) +
                 static_cast<std::size_t>(a.micro_batch + 1)];
}

void Checker::refuse(std::size_t rank, std::size_t at, const std::string& why) const {
  throw std::logic_error(
      fmt::format("plan \"{}\": {}; {}", plan_.schedule, why, row_around(plan_, rank, at)));
}

void Checker::place(std::size_t rank, std::size_t i) {
  const Action& a = plan_.rows[rank][i];
  if (!is_stage(a.stage) || rank_of(a.stage) != rank)
    refuse(rank, i, fmt::format("stage {} is not on rank {}", a.stage, rank));
  if (a.micro_batch < -1 || a.micro_batch >= plan_.micro_batches)
    refuse(rank, i, fmt::format("there is no micro-batch {}", a.micro_batch));
  if (is_message(a.op) && (!is_stage(a.peer) || (a.op == Op::send_error && a.stage != top_)))
    refuse(rank, i, fmt::format("{} is no message of the plan", told(a)));
  if (is_there(a)) refuse(rank, i, fmt::format("{} is there twice", told(a)));
  at(a) = static_cast<std::int32_t>(i);
  computations_[static_cast<std::size_t>(a.stage)] += is_compute(a.op);
  if (a.op == Op::backward_input) splits_[static_cast<std::size_t>(a.stage)] = true;
}

void Checker::expect(const Action& a) {
  if (!is_there(a) || plan_.rows[rank_of(a.stage)][static_cast<std::size_t>(at(a))] != a)
    refuse(rank_of(a.stage), 0, fmt::format("{} is missing", told(a)));
}

/// Both ends of the messages that a micro-batch of a stage asks for.
void Checker::expect_messages(std::int32_t s, std::int32_t m) {
  const auto both = [&](const Action& receive) {
    expect(receive);
    expect(partner_of(receive));
  };
  if (s > 0) both({Op::receive_activation, s, m, s - 1});
  if (role(s).has_backward && role(s).takes_gradient) both({Op::receive_gradient, s, m, s + 1});
  if (role(s).has_backward && role(s).takes_error) both({Op::receive_error, s, m, top_});
}

void Checker::expect_once(std::int32_t s) {
  if (role(s).updates) expect({Op::reduce, s, -1, -1});
  if (role(s).updates) expect({Op::update, s, -1, -1});
  if (plan_.ties.global_norm) expect({Op::share_norms, s, -1, -1});
  if (!shares()) return;
  if (s == 0) expect({Op::receive_tied, 0, -1, top_});
  if (s == top_) expect({Op::send_tied, top_, -1, 0});
  if (!plan_.ties.embedding_learns) return;
  if (s == 0) expect({Op::send_tied, 0, -1, top_});
  if (s == top_) expect({Op::receive_tied, top_, -1, 0});
}

void Checker::expect_stage(std::int32_t s) {
  for (std::int32_t m = 0; m < plan_.micro_batches; ++m) {
    expect({Op::forward, s, m, -1});
    if (role(s).has_backward && splits_[static_cast<std::size_t>(s)]) {
      expect({Op::backward_input, s, m, -1});
      expect({Op::backward_weight, s, m, -1});
    } else if (role(s).has_backward) {
      expect({Op::backward, s, m, -1});
    }
    expect_messages(s, m);
  }
  expect_once(s);
}

/// How many actions of a stage the roles ask for.
std::int64_t expected_count(const Plan& plan, std::int32_t s, bool splits) {
  const StageRole& role = plan.roles[static_cast<std::size_t>(s)];
  const std::int32_t top = plan.stages() - 1;
  const auto takes = [&](std::int32_t stage, bool StageRole::*what) {
    const StageRole& r = plan.roles[static_cast<std::size_t>(stage)];
    return r.has_backward && r.*what;
  };
  std::int64_t each = 1 + (s > 0) + (s < top);
  if (role.has_backward) each += splits ? 2 : 1;
  each += takes(s, &StageRole::takes_gradient) + takes(s, &StageRole::takes_error);
  each += s > 0 && takes(s - 1, &StageRole::takes_gradient);
  for (std::int32_t below = 0; s == top && below < top; ++below)
    each += takes(below, &StageRole::takes_error);
  const bool is_end = plan.ties.tied_matrix && top > 0 && (s == 0 || s == top);
  return each * plan.micro_batches + 2 * role.updates + plan.ties.global_norm +
         is_end * (1 + plan.ties.embedding_learns);
}

/// All that is expected is there, and as many actions as that: no other.
void Checker::expect_all() {
  std::vector<std::int64_t> counts(plan_.rows.size(), 0);
  for (std::int32_t s = 0; s <= top_; ++s) {
    expect_stage(s);
    counts[rank_of(s)] += expected_count(plan_, s, splits_[static_cast<std::size_t>(s)]);
  }
  for (std::size_t r = 0; r < counts.size(); ++r)
    if (counts[r] != static_cast<std::int64_t>(plan_.rows[r].size()))
      refuse(
          r, 0,
          fmt::format("rank {} has {} actions instead of {}", r, plan_.rows[r].size(), counts[r]));
}

/// What must come before an action of a micro-batch on the same rank.
std::vector<Action> Checker::needed_before(const Action& a) const {
  const auto same = [&](Op op, std::int32_t peer = -1) {
    return Action{op, a.stage, a.micro_batch, peer};
  };
  const Op input = splits_[static_cast<std::size_t>(a.stage)] ? Op::backward_input : Op::backward;
  switch (a.op) {
    case Op::forward:
      if (a.stage > 0) return {same(Op::receive_activation, a.stage - 1)};
      return {};
    case Op::send_activation:
    case Op::send_error: return {same(Op::forward)};
    case Op::send_gradient: return {same(role(a.stage).has_backward ? input : Op::forward)};
    case Op::backward_weight: return {same(Op::backward_input)};
    case Op::backward:
    case Op::backward_input: {
      std::vector<Action> needed = {same(Op::forward)};
      if (role(a.stage).takes_gradient) needed.push_back(same(Op::receive_gradient, a.stage + 1));
      if (role(a.stage).takes_error) needed.push_back(same(Op::receive_error, top_));
      return needed;
    }
    default: return {};
  }
}

/// What must come before an action that a step does once.
std::vector<Action> Checker::needed_once(const Action& a) const {
  std::vector<Action> needed;
  const bool is_first = a.stage == 0, updates = role(a.stage).updates;
  const bool receives_tied =
      shares() && (is_first || (a.stage == top_ && plan_.ties.embedding_learns));
  if (a.op == Op::share_norms || a.op == Op::update) {
    if (updates) needed.push_back({Op::reduce, a.stage, -1, -1});
    if (receives_tied) needed.push_back({Op::receive_tied, a.stage, -1, is_first ? top_ : 0});
  }
  if (a.op == Op::update && plan_.ties.global_norm)
    needed.push_back({Op::share_norms, a.stage, -1, -1});
  if (a.op == Op::send_tied && a.stage == top_)
    for (std::int32_t m = 0; m < plan_.micro_batches; ++m)
      needed.push_back({Op::forward, top_, m, -1});
  if (a.op == Op::send_tied && is_first) needed.push_back({Op::reduce, 0, -1, -1});
  return needed;
}

void Checker::check_order(std::size_t rank, std::size_t i) {
  const Action& a = plan_.rows[rank][i];
  for (const Action& before : a.micro_batch < 0 ? needed_once(a) : needed_before(a))
    if (!is_there(before) || at(before) > static_cast<std::int32_t>(i))
      refuse(rank, i, fmt::format("{} comes before {}", told(a), told(before)));
}

void Checker::check_row(std::size_t rank) {
  std::vector<std::int32_t> left = computations_;
  for (std::size_t i = 0; i < plan_.rows[rank].size(); ++i) {
    const Action& a = plan_.rows[rank][i];
    check_order(rank, i);
    left[static_cast<std::size_t>(a.stage)] -= is_compute(a.op);
    if (a.op == Op::reduce && left[static_cast<std::size_t>(a.stage)] > 0)
      refuse(rank, i, fmt::format("stage {} computes after its gradients are summed", a.stage));
  }
}

/// Messages of a kind to a stage leave in the order in which they are received; those to different
/// stages of a rank have tags of their own.
void Checker::check_links() {
  using LinkName = std::tuple<std::int32_t, std::int32_t, Cargo>;
  struct Message {
    std::size_t rank, at;
    Action receive;
  };
  std::map<LinkName, std::vector<Message>> sent, received;
  for (std::size_t r = 0; r < plan_.rows.size(); ++r)
    for (std::size_t i = 0; i < plan_.rows[r].size(); ++i) {
      const Action& a = plan_.rows[r][i];
      if (!is_message(a.op)) continue;
      const Cargo cargo = facts_of(a.op).cargo;
      if (is_send(a.op)) sent[{a.stage, a.peer, cargo}].push_back({r, i, partner_of(a)});
      else received[{a.peer, a.stage, cargo}].push_back({r, i, a});
    }
  for (const auto& [link, messages] : received)
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const Message& m = messages[i];
      if (sent[link][i].receive != m.receive)
        refuse(m.rank, m.at,
               fmt::format("{} is received where {} comes", told(m.receive),
                           told(sent[link][i].receive)));
    }
}

void Checker::check() {
  if (plan_.roles.size() != plan_.rank_of.size() || plan_.rank_of.empty() ||
      plan_.micro_batches < 1)
    throw std::logic_error(fmt::format("plan \"{}\": {} stages with {} roles, {} micro-batches",
                                       plan_.schedule, plan_.rank_of.size(), plan_.roles.size(),
                                       plan_.micro_batches));
  for (const std::int32_t rank : plan_.rank_of)
    if (rank < 0 || rank >= plan_.ranks())
      throw std::logic_error(fmt::format("plan \"{}\": there is no rank {}", plan_.schedule, rank));
  for (std::size_t r = 0; r < plan_.rows.size(); ++r)
    for (std::size_t i = 0; i < plan_.rows[r].size(); ++i) place(r, i);
  expect_all();
  for (std::size_t r = 0; r < plan_.rows.size(); ++r) check_row(r);
  check_links();
}

}  // namespace

void check_actions(const Plan& plan) { Checker(plan).check(); }

}  // namespace dfascale
