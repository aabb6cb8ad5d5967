#include <algorithm>

#include "pipeline/rehearse.hpp"
#include "pipeline/schedules.hpp"
#include "pipeline/split.hpp"
namespace dfascale {
Plan make_plan(const ScheduleRequest& r) {
  Plan plan{r.schedule, r.micro_batches, {}, r.roles, r.ties, {}};
  const int p = r.ranks, S = p;
  for (int s = 0; s < p; ++s) {
    plan.rank_of.push_back(s);
    auto& row = plan.rows.emplace_back();
    const StageRole& role = r.roles[s];
    bool sent_tied = false;
    auto F = [&](int m) {
      if (s > 0) row.push_back({Op::receive_activation, s, m, s - 1});
      row.push_back({Op::forward, s, m, -1});
      if (s < S - 1) row.push_back({Op::send_activation, s, m, s + 1});
      if (s == S - 1)
        for (int o = 0; o < S - 1; ++o)
          if (r.roles[o].takes_error) row.push_back({Op::send_error, s, m, o});
      if (s > 0 && r.roles[s - 1].takes_gradient && !role.has_backward)
        row.push_back({Op::send_gradient, s, m, s - 1});
    };
    auto B = [&](int m) {
      if (!role.has_backward) return;
      if (role.takes_gradient) row.push_back({Op::receive_gradient, s, m, s + 1});
      if (role.takes_error) row.push_back({Op::receive_error, s, m, S - 1});
      if (r.schedule == "zb-h1") {
        row.push_back({Op::backward_input, s, m, -1});
        if (s > 0 && r.roles[s - 1].takes_gradient) row.push_back({Op::send_gradient, s, m, s - 1});
        row.push_back({Op::backward_weight, s, m, -1});
      } else {
        row.push_back({Op::backward, s, m, -1});
        if (s > 0 && r.roles[s - 1].takes_gradient) row.push_back({Op::send_gradient, s, m, s - 1});
      }
    };
    const int M = r.micro_batches;
    const int ahead = r.schedule == "gpipe" ? M : std::min(M, r.schedule == "unlocked" ? p : p - s);
    for (int m = 0; m < ahead; ++m) F(m);
    for (int m = 0; m < M; ++m) {
      B(m);
      if (m + ahead == M && S > 1 && r.ties.tied_matrix && s == S - 1) {
        row.push_back({Op::send_tied, s, -1, 0});
        sent_tied = true;
      }
      if (m + ahead < M) F(m + ahead);
    }
    if (S > 1 && r.ties.tied_matrix && s == S - 1 && !sent_tied)
      row.push_back({Op::send_tied, s, -1, 0});
    if (!role.updates) {
      if (r.ties.global_norm) row.push_back({Op::share_norms, s, -1, -1});
      continue;
    }
    row.push_back({Op::reduce, s, -1, -1});
    if (S > 1 && r.ties.tied_matrix) {
      if (s == 0 && r.ties.embedding_learns) row.push_back({Op::send_tied, s, -1, S - 1});
      if (s == 0) row.push_back({Op::receive_tied, s, -1, S - 1});
      if (s == S - 1 && r.ties.embedding_learns) row.push_back({Op::receive_tied, s, -1, 0});
    }
    if (r.ties.global_norm) row.push_back({Op::share_norms, s, -1, -1});
    row.push_back({Op::update, s, -1, -1});
  }
  return plan;
}
Plan forward_only_plan(const Plan& in, std::int32_t M) {
  Plan plan = in;
  plan.micro_batches = M;
  const int S = in.stages();
  for (int s = 0; s < S; ++s) {
    auto& row = plan.rows[s];
    row.clear();
    for (int m = 0; m < M; ++m) {
      if (s > 0) row.push_back({Op::receive_activation, s, m, s - 1});
      row.push_back({Op::forward, s, m, -1});
      if (s < S - 1) row.push_back({Op::send_activation, s, m, s + 1});
    }
  }
  return plan;
}
Rehearsal rehearse(const Plan& plan, std::int32_t) {
  Rehearsal r;
  for (int s = 0; s < plan.stages(); ++s)
    r.slots.push_back(plan.schedule == "gpipe" ? plan.micro_batches
                      : plan.roles[s].has_backward
                          ? std::min(plan.micro_batches, plan.ranks() + (plan.ranks() > 1))
                          : std::min(2, plan.micro_batches));
  return r;
}
std::vector<std::int64_t> balanced_split(const std::vector<double>& costs, double,
                                         std::int64_t stages) {
  std::vector<std::int64_t> b(stages, costs.size() / stages);
  for (std::size_t i = 0; i < costs.size() % stages; ++i) ++b[i];
  return b;
}
}  // namespace dfascale
