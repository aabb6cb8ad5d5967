#include "train/engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/clock.hpp"

namespace dfascale {

Engine::Engine(const ArrayComm& pipeline, std::vector<StageWork*> work, Trace& trace)
    : pipeline_(pipeline), trace_(trace) {
  for (StageWork* stage : work) {
    Seat seat;
    seat.work = stage;
    if (stage != nullptr) seat.slots.resize(static_cast<std::size_t>(stage->slots()));
    seats_.push_back(std::move(seat));
  }
}

void Engine::run(const Plan& plan, Mode mode, std::int64_t step) {
  plan_ = &plan;
  mode_ = mode;
  step_ = step;
  count(plan);
  for (const Seat& seat : seats_)
    if (seat.work != nullptr && mode == Mode::learn) seat.work->begin_step();
  for (const Action& action : plan.rows[static_cast<std::size_t>(pipeline_.rank())]) act(action);
}

/// How many actions of each kind there are, so that each finds out whether it is the last.
void Engine::count(const Plan& plan) {
  for (Seat& seat : seats_) {
    seat.forwards = seat.inputs = seat.weights = 0;
    seat.uses.assign(static_cast<std::size_t>(plan.micro_batches), 0);
  }
  for (const Action& action : plan.rows[static_cast<std::size_t>(pipeline_.rank())]) {
    Seat& at = seat(action);
    at.forwards += action.op == Op::forward;
    at.inputs += action.op == Op::backward_input;
    at.weights += action.op == Op::backward || action.op == Op::backward_weight;
    if (action.micro_batch >= 0) ++at.uses[static_cast<std::size_t>(action.micro_batch)];
  }
}

void Engine::act(const Action& action) {
  now_ = action;
  if (action.micro_batch < 0) return once(action);
  if (is_send(action.op)) send(action);
  else if (is_receive(action.op)) receive(action);
  else compute(action);
  leave_slot(action);
}

void Engine::compute(const Action& action) {
  Seat& at = seat(action);
  const std::int64_t slot = slot_of(action);
  const auto turn = [](std::int64_t& left) { return --left == 0 ? Turn::last : Turn::not_last; };
  const double start = seconds_now();
  const bool forward = action.op == Op::forward;
  if (forward) at.work->forward(slot, action.micro_batch, mode_, turn(at.forwards));
  else if (action.op == Op::backward) at.work->backward(slot, Pass::all, turn(at.weights));
  else if (action.op == Op::backward_input) at.work->backward(slot, Pass::input, turn(at.inputs));
  else at.work->backward(slot, Pass::weights, turn(at.weights));
  trace_.add(forward ? Spent::forward : Spent::backward, facts_of(action.op).name, action.stage,
             action.micro_batch, start, seconds_now());
}

void Engine::send(const Action& action) {
  const std::int64_t slot = slot_of(action);
  const int to = plan_->rank_of[static_cast<std::size_t>(action.peer)];
  seat(action).slots[static_cast<std::size_t>(slot)].sends.push_back(
      pipeline_.start_send(message(action, slot), to, tag(action)));
}

void Engine::receive(const Action& action) {
  const Vec values = message(action, slot_of(action));
  const int from = plan_->rank_of[static_cast<std::size_t>(action.peer)];
  const auto what = [this] { return where(); };
  const double start = seconds_now();
  pipeline_.wait_for_message(from, tag(action), what);
  const double sent = seconds_now();
  pipeline_.wait(pipeline_.start_receive(values, from, tag(action)), what);
  trace_.add(Spent::idle, "idle", action.stage, action.micro_batch, start, sent);
  trace_.add(Spent::communication, facts_of(action.op).name, action.stage, action.micro_batch, sent,
             seconds_now());
}

/// What a step does once on a stage.
void Engine::once(const Action& action) {
  StageWork& work = *seat(action).work;
  const int peer = action.peer < 0 ? -1 : plan_->rank_of[static_cast<std::size_t>(action.peer)];
  const auto timed = [&](Spent spent, auto&& act) {
    const double start = seconds_now();
    act();
    trace_.add(spent, facts_of(action.op).name, action.stage, action.micro_batch, start,
               seconds_now());
  };
  switch (action.op) {
    case Op::reduce: return timed(Spent::communication, [&] { work.reduce(); });
    case Op::send_tied: return timed(Spent::communication, [&] { work.send_tied(peer); });
    case Op::receive_tied: return timed(Spent::communication, [&] { work.receive_tied(peer); });
    case Op::share_norms: return timed(Spent::communication, [&] { work.share_norms(); });
    case Op::update:
      timed(Spent::communication, [&] { work.finish_sums(); });
      return timed(Spent::update, [&] { work.update(); });
    default: throw std::logic_error("an action without a micro-batch");
  }
}

/// The micro-batch's slot; a free one if it has none yet.
std::int64_t Engine::slot_of(const Action& action) {
  const std::vector<Slot>& slots = seat(action).slots;
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (slots[i].micro_batch == action.micro_batch) return static_cast<std::int64_t>(i);
  return take_slot(action);
}

/// Whichever free slot's messages are received first: waiting for one of them might be for ever.
std::int64_t Engine::take_slot(const Action& action) {
  std::vector<Slot>& slots = seat(action).slots;
  auto found = slots.end();
  const auto one_is_free = [&] {
    found = std::find_if(slots.begin(), slots.end(), [](Slot& slot) {
      return slot.micro_batch < 0 && std::all_of(slot.sends.begin(), slot.sends.end(),
                                                 [](Request& request) { return request.done(); });
    });
    return found != slots.end();
  };
  const double start = seconds_now();
  Comm::wait_until(one_is_free, [this] { return where() + ", for a free slot"; });
  trace_.add(Spent::communication, "slot", action.stage, action.micro_batch, start, seconds_now());
  found->sends.clear();
  found->micro_batch = action.micro_batch;
  return found - slots.begin();
}

void Engine::leave_slot(const Action& action) {
  Seat& at = seat(action);
  if (--at.uses[static_cast<std::size_t>(action.micro_batch)] > 0) return;
  for (Slot& slot : at.slots)
    if (slot.micro_batch == action.micro_batch) slot.micro_batch = -1;
}

Vec Engine::message(const Action& action, std::int64_t slot) {
  StageWork& work = *seat(action).work;
  switch (action.op) {
    case Op::send_activation: return work.output(slot);
    case Op::receive_activation: return work.input(slot);
    case Op::send_gradient: return work.input_gradient(slot);
    case Op::receive_gradient: return work.output_gradient(slot);
    case Op::send_error:
    case Op::receive_error: return work.fed_back(slot);
    default: throw std::logic_error("an action that is no message");
  }
}

/// By kind, receiving stage and micro-batch: ranks may hold several stages.
int Engine::tag(const Action& action) const {
  const std::int64_t to = is_send(action.op) ? action.peer : action.stage;
  const std::int64_t number =
      (to * plan_->micro_batches + action.micro_batch) * static_cast<std::int64_t>(cargo_kinds) +
      static_cast<std::int64_t>(facts_of(action.op).cargo);
  return static_cast<int>(number);
}

void Engine::finish() {
  for (Seat& seat : seats_)
    for (Slot& slot : seat.slots)
      for (Request& request : slot.sends) pipeline_.wait(request, [this] { return where(); });
}

std::string Engine::where() const {
  std::string text =
      fmt::format("step {}, stage {}: waits in \"{}\"", step_, now_.stage, facts_of(now_.op).name);
  if (now_.micro_batch >= 0) text += fmt::format(" of micro-batch {}", now_.micro_batch);
  if (now_.peer >= 0)
    text += fmt::format(" for stage {} (rank {} of its pipeline)", now_.peer,
                        plan_->rank_of[static_cast<std::size_t>(now_.peer)]);
  return text;
}

}  // namespace dfascale
