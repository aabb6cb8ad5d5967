#include "pipeline/actions.hpp"

#include <array>
#include <stdexcept>

namespace dfascale {
namespace {

constexpr std::size_t op_count = static_cast<std::size_t>(Op::update) + 1;

/// In the order of Op.
constexpr std::array<OpFacts, op_count> table = {{
    {"forward", "F", ActionKind::compute, {}},
    {"backward", "B", ActionKind::compute, {}},
    {"backward, input", "I", ActionKind::compute, {}},
    {"backward, weights", "W", ActionKind::compute, {}},
    {"send activation", ">a", ActionKind::send, Cargo::activation},
    {"receive activation", "<a", ActionKind::receive, Cargo::activation},
    {"send gradient", ">g", ActionKind::send, Cargo::gradient},
    {"receive gradient", "<g", ActionKind::receive, Cargo::gradient},
    {"send error", ">e", ActionKind::send, Cargo::error},
    {"receive error", "<e", ActionKind::receive, Cargo::error},
    {"reduce", "R", ActionKind::once, {}},
    {"send tied", ">t", ActionKind::send, Cargo::tied},
    {"receive tied", "<t", ActionKind::receive, Cargo::tied},
    {"share norms", "N", ActionKind::once, {}},
    {"update", "U", ActionKind::once, {}},
}};

}  // namespace

const OpFacts& facts_of(Op op) {
  const auto i = static_cast<std::size_t>(op);
  if (i >= table.size()) throw std::logic_error("an action of no kind");
  return table[i];
}

Action partner_of(const Action& message) {
  const OpFacts& own = facts_of(message.op);
  const ActionKind other = own.kind == ActionKind::send ? ActionKind::receive : ActionKind::send;
  for (std::size_t i = 0; i < table.size(); ++i)
    if (is_message(message.op) && table[i].kind == other && table[i].cargo == own.cargo)
      return {static_cast<Op>(i), message.peer, message.micro_batch, message.stage};
  throw std::logic_error("an action that is no message");
}

std::string short_name(const Action& a) {
  std::string name(facts_of(a.op).short_name);
  if (a.micro_batch >= 0) name += std::to_string(a.micro_batch);
  return name;
}

}  // namespace dfascale
