#include "pipeline/messages.hpp"

#include <algorithm>

#include "pipeline/actions.hpp"

namespace dfascale {
namespace {

/// Adds the messages of one plan.
class Messages {
 public:
  Messages(const std::vector<StageRole>& roles, const Ties& ties)
      : roles_(roles), ties_(ties), top_(static_cast<std::int32_t>(roles.size()) - 1) {}

  /// A rank's row, from what it computes.
  std::vector<Action> row(const std::vector<Action>& order);

 private:
  const StageRole& role(std::int32_t s) const { return roles_[static_cast<std::size_t>(s)]; }
  void message(Op op, const Action& of, std::int32_t peer) {
    row_.push_back({op, of.stage, of.micro_batch, peer});
  }
  void once(Op op, std::int32_t stage, std::int32_t peer = -1) {
    row_.push_back({op, stage, -1, peer});
  }
  void forward(const Action& action);
  void backward(const Action& action);
  void send_gradient(const Action& of);
  void end_of_step(const std::vector<std::int32_t>& stages);

  const std::vector<StageRole>& roles_;
  const Ties& ties_;
  std::int32_t top_;
  std::vector<Action> row_;
};

void Messages::forward(const Action& action) {
  const std::int32_t s = action.stage;
  if (s > 0) message(Op::receive_activation, action, s - 1);
  row_.push_back(action);
  if (s < top_) return message(Op::send_activation, action, s + 1);
  // Those that are needed first, first: the lowest stages hold their micro-batches longest.
  for (std::int32_t below = 0; below < top_; ++below)
    if (role(below).takes_error) message(Op::send_error, action, below);
  if (!role(s).has_backward) send_gradient(action);
}

void Messages::backward(const Action& action) {
  if (action.op != Op::backward_weight) {
    if (role(action.stage).takes_gradient) message(Op::receive_gradient, action, action.stage + 1);
    if (role(action.stage).takes_error) message(Op::receive_error, action, top_);
  }
  row_.push_back(action);
  if (action.op != Op::backward_weight) send_gradient(action);
}

void Messages::send_gradient(const Action& of) {
  if (of.stage > 0 && role(of.stage - 1).takes_gradient)
    message(Op::send_gradient, of, of.stage - 1);
}

/// Sums of all the rank's stages, then what ties them to others, then updates.
void Messages::end_of_step(const std::vector<std::int32_t>& stages) {
  const bool shares = ties_.tied_matrix && top_ > 0;
  for (const std::int32_t s : stages)
    if (role(s).updates) once(Op::reduce, s);
  for (const std::int32_t s : stages)
    if (shares && s == 0 && ties_.embedding_learns) once(Op::send_tied, s, top_);
  for (const std::int32_t s : stages) {
    if (shares && s == 0) once(Op::receive_tied, s, top_);
    if (shares && s == top_ && ties_.embedding_learns) once(Op::receive_tied, s, 0);
  }
  for (const std::int32_t s : stages)
    if (ties_.global_norm) once(Op::share_norms, s);
  for (const std::int32_t s : stages)
    if (role(s).updates) once(Op::update, s);
}

std::vector<Action> Messages::row(const std::vector<Action>& order) {
  row_.clear();
  std::vector<std::int32_t> stages;
  std::int32_t forwards_left = 0;  // of the last stage
  for (const Action& action : order) {
    forwards_left += action.stage == top_ && action.op == Op::forward;
    if (std::find(stages.begin(), stages.end(), action.stage) == stages.end())
      stages.push_back(action.stage);
  }
  std::sort(stages.begin(), stages.end());
  // The head's part of a tied matrix is complete after its last forward; one action later its sum
  // over replicas has had some time.
  bool owes_tied = ties_.tied_matrix && top_ > 0 && forwards_left > 0;
  for (const Action& action : order) {
    if (action.op == Op::forward) {
      forward(action);
      forwards_left -= action.stage == top_;
      continue;
    }
    if (!is_backward(action.op) || !role(action.stage).has_backward) continue;
    backward(action);
    if (owes_tied && forwards_left == 0) {
      once(Op::send_tied, top_, 0);
      owes_tied = false;
    }
  }
  if (owes_tied) once(Op::send_tied, top_, 0);
  end_of_step(stages);
  return std::move(row_);
}

}  // namespace

Plan with_messages(const std::string& schedule, Order order, const std::vector<StageRole>& roles,
                   const Ties& ties) {
  Plan plan{schedule, order.micro_batches, std::move(order.rank_of), roles, ties, {}};
  Messages messages(plan.roles, plan.ties);
  for (const std::vector<Action>& row : order.rows) plan.rows.push_back(messages.row(row));
  return plan;
}

}  // namespace dfascale
