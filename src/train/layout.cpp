#include "train/layout.hpp"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "base/error.hpp"
#include "credit/backward.hpp"
#include "credit/flops.hpp"
#include "credit/roles.hpp"
#include "pipeline/rehearse.hpp"
#include "pipeline/schedules.hpp"
#include "pipeline/split.hpp"

namespace dfascale {
namespace {

/// "4,3,0" as numbers.
std::vector<std::int64_t> parse_split(const std::string& text) {
  std::vector<std::int64_t> blocks;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    std::size_t read = 0;
    try {
      blocks.push_back(std::stoll(part, &read));
    } catch (const std::logic_error&) {
      read = 0;
    }
    if (read == 0 || part.find_first_not_of(' ', read) != std::string::npos || blocks.back() < 0)
      fail(Exit::usage,
           "parallel.split = \"{}\": \"{}\" is no number of blocks; expected one for each stage, "
           "such as \"4,3\" or, with the head alone, \"4,3,0\"",
           text, part);
  }
  return blocks;
}

std::vector<std::int64_t> given_split(const Training& training, std::int64_t stages) {
  const std::string& text = training.parallel.split;
  std::vector<std::int64_t> blocks = parse_split(text);
  const std::int64_t sum = std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0});
  if (static_cast<std::int64_t>(blocks.size()) != stages || sum != training.shape.layers)
    fail(Exit::usage,
         "parallel.split = \"{}\": {} block(s) in {} stage(s); expected the {} of model.layers in "
         "parallel.pp * parallel.virtual_stages = {} * {} stages",
         text, sum, blocks.size(), training.shape.layers, training.parallel.pp,
         training.parallel.virtual_stages);
  for (std::size_t s = 0; s + 1 < blocks.size(); ++s)
    if (blocks[s] == 0)
      fail(Exit::usage,
           "parallel.split = \"{}\": stage {} has no block; only the last, the head, may have none",
           text, s);
  return blocks;
}

/// What `of` says for each block of a stage, by its level.
template <class PartsOf>
std::vector<BlockParts> parts_by_block(const Training& training, std::size_t stage,
                                       const StageRange& range, PartsOf of) {
  std::vector<BlockParts> parts;
  for (std::int64_t l = range.first; l < range.end; ++l)
    parts.push_back(
        of(training.rule, training.shape, l, training.recomputation.level(stage, parts.size())));
  return parts;
}

/// Without these actions.
Plan without(Plan plan, const std::vector<Op>& left_out) {
  for (std::vector<Action>& row : plan.rows)
    std::erase_if(row, [&](const Action& action) {
      return std::find(left_out.begin(), left_out.end(), action.op) != left_out.end();
    });
  return plan;
}

}  // namespace

Training Training::of(const Settings& settings) {
  return {shape_of(settings.model),
          settings.rule,
          settings.optim,
          settings.parallel,
          settings.micro_batch_sequences(),
          {},
          {settings.run.offload, {}}};
}

std::vector<StageRange> stage_ranges(const Training& training) {
  const Shape& shape = training.shape;
  const std::int64_t stages = training.parallel.pp * training.parallel.virtual_stages;
  if (!training.parallel.split.empty()) return stage_ranges(given_split(training, stages));
  if (stages > shape.layers)
    fail(Exit::usage,
         "parallel.pp * parallel.virtual_stages = {} * {}: more stages than the model's {} blocks; "
         "use fewer, or set parallel.split with the head alone (\"...,0\")",
         training.parallel.pp, training.parallel.virtual_stages, shape.layers);
  std::vector<double> costs;
  for (std::int64_t l = 0; l < shape.layers; ++l)
    costs.push_back(
        flops_per_token(shape, training.rule, StageRange{l, l + 1, l == 0, false}).total());
  const double head =
      flops_per_token(shape, training.rule, StageRange{shape.layers, shape.layers, false, true})
          .total();
  // A split backward needs one on every stage.
  const HeadAlone head_alone =
      is_split(training.parallel.schedule) ? HeadAlone::never : HeadAlone::allowed;
  return stage_ranges(balanced_split(costs, head, stages, head_alone));
}

Plan step_plan(const Training& training, const std::vector<StageRange>& ranges) {
  const ParallelSettings& parallel = training.parallel;
  ScheduleRequest request{.schedule = parallel.schedule,
                          .ranks = static_cast<std::int32_t>(parallel.pp),
                          .virtual_stages = static_cast<std::int32_t>(parallel.virtual_stages),
                          .micro_batches = static_cast<std::int32_t>(parallel.micro_batches),
                          .in_flight = static_cast<std::int32_t>(parallel.in_flight),
                          .roles = stage_roles(training.shape, training.rule, ranges),
                          .ties = stage_ties(training.shape, training.rule,
                                             training.optim.clip == Clip::global, ranges)};
  return make_plan(request);
}

Plan gradients_only(const Plan& plan) { return without(plan, {Op::share_norms, Op::update}); }

Plan own_gradients_only(const Plan& plan) {
  return without(plan, {Op::reduce, Op::share_norms, Op::update});
}

StageLayout stage_layout(const Training& training, std::size_t stage, StageLayout layout) {
  layout.precision = training.optim.precision;
  layout.dropped = parts_by_block(training, stage, layout.range, parts_dropped);
  layout.sent = parts_by_block(training, stage, layout.range, parts_sent);
  return layout;
}

std::vector<StageLayout> stage_layouts(const Training& training,
                                       const std::vector<StageRange>& ranges, const Plan& plan) {
  const std::vector<std::int32_t> slots = rehearse(plan).slots;
  const auto splits = [](const std::vector<Action>& row) {
    return std::any_of(row.begin(), row.end(),
                       [](const Action& action) { return action.op == Op::backward_input; });
  };
  const bool splits_backward = std::any_of(plan.rows.begin(), plan.rows.end(), splits);
  std::vector<StageLayout> layouts;
  for (std::size_t s = 0; s < ranges.size(); ++s)
    layouts.push_back(
        stage_layout(training, s, {ranges[s], training.sequences, slots[s], splits_backward}));
  return layouts;
}

std::vector<Route> routes_between_stages(const Plan& plan) {
  const auto rank_of = [&](std::int32_t stage) {
    return plan.rank_of[static_cast<std::size_t>(stage)];
  };
  std::vector<Route> routes;
  for (std::int32_t s = 0; s + 1 < plan.stages(); ++s) {
    routes.push_back({rank_of(s), rank_of(s + 1)});
    routes.push_back({rank_of(s + 1), rank_of(s)});
    if (plan.roles[static_cast<std::size_t>(s)].takes_error)
      routes.push_back({rank_of(plan.stages() - 1), rank_of(s)});
  }
  return routes;
}

std::vector<Route> routes_between_ends(const Shape& shape, const Plan& plan) {
  const int first = plan.rank_of.front(), last = plan.rank_of.back();
  if (!shape.tied || plan.stages() == 1) return {};
  return {{first, last}, {last, first}};
}

Sharding sharding(const ParallelSettings& parallel, int replica) {
  return parallel.zero > 0 ? Sharding{parallel.dp, replica} : Sharding{};
}

}  // namespace dfascale
