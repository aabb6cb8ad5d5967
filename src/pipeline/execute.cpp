#include "pipeline/execute.hpp"

#include <algorithm>
#include <deque>
#include <queue>
#include <tuple>
#include <utility>

namespace dfascale {

double MessageBytes::of(Cargo cargo) const {
  const double of_cargo[cargo_kinds] = {activation, gradient, error, tied};
  return of_cargo[static_cast<std::size_t>(cargo)];
}

namespace {

constexpr double not_yet = -1;

/// The execution in progress.  Ranks act in the order of simulated time, so that whoever asks first
/// for something that others want too gets it first.
class Run {
 public:
  Run(const Plan& plan, const ExecutionOptions& options);
  Execution to_the_end();

 private:
  struct Rank {
    std::size_t next = 0;  ///< in the row
    std::int32_t step = 0;
    double clock = 0;
    double port_free = 0;  ///< when the last message has left it
    bool is_queued = false, is_at_meeting = false;
    /// Whether it let all others act at this time before it takes one slot more.
    bool has_waited = false;
    std::int32_t meetings = 0;  ///< of this step
    Execution::StepTotals totals = {};
  };
  /// Memory for one micro-batch of a stage.
  struct Slot {
    bool is_taken = false;
    std::int32_t unreceived = 0;  ///< messages sent from it that are still to be received
    double left_at = 0;           ///< by its micro-batch
    double free_at = 0;
    bool is_free(double now) const { return !is_taken && unreceived == 0 && free_at <= now; }
  };
  struct Stage {
    std::vector<Slot> slots;
    std::int32_t limit = unlimited;
    std::int32_t wanted = -1;  ///< the slot that its rank waits for
    double began = 0;          ///< its latest computation
    double summed_at = 0;      ///< gradients over replicas
  };
  /// What is known of one step; kept while a rank is in it.
  struct Step {
    std::vector<double> sent_at;           ///< by cargo, receiving stage, micro-batch
    std::vector<std::int32_t> slot, uses;  ///< by stage, micro-batch: slot, actions left
    std::vector<std::int32_t> at_meeting;  ///< ranks that have come, by meeting
    std::vector<double> meeting_time;
    std::size_t ranks_left = 0;
  };
  struct Turn {
    double time;
    bool grows;  ///< after all others at this time
    std::size_t rank;
    bool operator>(const Turn& other) const {
      return std::tie(time, grows, rank) > std::tie(other.time, other.grows, other.rank);
    }
  };

  bool act(std::size_t r);
  bool find_slot(const Action& a, std::size_t r);
  bool claim(std::int32_t stage, std::size_t r);
  std::int32_t best_slot(const Stage& stage, double now) const;
  bool receive(const Action& a, std::size_t r);
  bool meet(std::size_t r);
  void compute(const Action& a, std::size_t r);
  void send(const Action& a, std::size_t r);
  bool is_passed_on(const Action& a, std::size_t r) const;
  void reduce(const Action& a, std::size_t r);
  void update(const Action& a, std::size_t r);
  void leave_slot(const Action& a, std::size_t r);
  void end_step(std::size_t r);
  void wait_until(double time, Pastime pastime, const Action& a, std::size_t r);
  void wait_for_sums(const Action& a, std::size_t r);
  void queue(std::size_t r, double time, bool grows = false);
  Step& step_of(const Rank& rank);
  const Link& link(std::size_t a, std::size_t b) const {
    return options_.network.between(static_cast<std::int32_t>(a), static_cast<std::int32_t>(b));
  }
  std::size_t rank_of(std::int32_t stage) const {
    return static_cast<std::size_t>(plan_.rank_of[static_cast<std::size_t>(stage)]);
  }
  std::size_t place(std::int32_t stage, std::int32_t micro_batch) const {
    return static_cast<std::size_t>(stage) * M_ + static_cast<std::size_t>(micro_batch);
  }
  std::size_t message(Cargo cargo, std::int32_t to, std::int32_t micro_batch) const {
    return static_cast<std::size_t>(cargo) * S_ * M_ + place(to, std::max(micro_batch, 0));
  }
  const StageTimes& times(std::int32_t stage) const {
    return times_[static_cast<std::size_t>(stage)];
  }

  const Plan& plan_;
  const ExecutionOptions& options_;
  std::size_t S_, M_;
  std::vector<StageTimes> times_;
  std::vector<Rank> ranks_;
  std::vector<Stage> stages_;
  std::vector<std::int32_t> uses_;  ///< by stage, micro-batch: actions in the rows
  std::deque<Step> steps_;
  std::int32_t first_step_ = 0;  ///< of steps_
  std::size_t meetings_in_row_ = 0;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns_;
  Execution result_;
};

Run::Run(const Plan& plan, const ExecutionOptions& options)
    : plan_(plan),
      options_(options),
      S_(static_cast<std::size_t>(plan.stages())),
      M_(static_cast<std::size_t>(plan.micro_batches)),
      times_(options.times.empty() ? std::vector<StageTimes>(S_) : options.times),
      ranks_(plan.rows.size()),
      stages_(S_),
      uses_(S_ * M_, 0) {
  for (std::size_t s = 0; s < options.slots.size(); ++s) {
    stages_[s].limit = options.slots[s];
    stages_[s].slots.resize(static_cast<std::size_t>(std::max(options.slots[s], 0)));
  }
  for (const std::vector<Action>& row : plan.rows) {
    std::size_t meetings = 0;
    for (const Action& a : row) {
      if (a.micro_batch >= 0) ++uses_[place(a.stage, a.micro_batch)];
      meetings += a.op == Op::share_norms;
    }
    meetings_in_row_ = std::max(meetings_in_row_, meetings);
  }
  result_.ranks.resize(plan.rows.size());
}

Run::Step& Run::step_of(const Rank& rank) {
  while (static_cast<std::size_t>(rank.step - first_step_) >= steps_.size()) {
    Step step;
    step.sent_at.assign(cargo_kinds * S_ * M_, not_yet);
    step.slot.assign(S_ * M_, -1);
    step.uses = uses_;
    step.at_meeting.assign(meetings_in_row_, 0);
    step.meeting_time.assign(meetings_in_row_, 0);
    step.ranks_left = ranks_.size();
    steps_.push_back(std::move(step));
  }
  return steps_[static_cast<std::size_t>(rank.step - first_step_)];
}

void Run::queue(std::size_t r, double time, bool grows) {
  Rank& rank = ranks_[r];
  if (rank.is_queued || rank.step >= options_.steps) return;
  rank.is_queued = true;
  turns_.push({std::max(time, rank.clock), grows, r});
}

/// The rank does nothing of its own until then.
void Run::wait_until(double time, Pastime pastime, const Action& a, std::size_t r) {
  Rank& rank = ranks_[r];
  if (time <= rank.clock) return;
  rank.totals.seconds[static_cast<std::size_t>(pastime)] += time - rank.clock;
  if (options_.keep == ExecutionOptions::Keep::events)
    result_.events.push_back(
        {a, pastime, static_cast<std::int32_t>(r), rank.step, rank.clock, time});
  rank.clock = time;
}

/// The first action of a micro-batch on a stage takes a slot; false if it has to wait for one.
bool Run::find_slot(const Action& a, std::size_t r) {
  Rank& rank = ranks_[r];
  std::int32_t& slot = step_of(rank).slot[place(a.stage, a.micro_batch)];
  if (slot >= 0) return true;
  Stage& stage = stages_[static_cast<std::size_t>(a.stage)];
  if (!claim(a.stage, r)) return false;
  const double free_at = stage.slots[static_cast<std::size_t>(stage.wanted)].free_at;
  if (free_at > rank.clock) return queue(r, free_at), false;
  slot = std::exchange(stage.wanted, -1);
  stage.slots[static_cast<std::size_t>(slot)].is_taken = true;
  return true;
}

/// As the engine does: a slot that is free; if none is, the one left longest ago of those that only
/// wait for their messages to be received.  A stage without limit takes a new one instead, but not
/// before all that others do at this time is done.
bool Run::claim(std::int32_t s, std::size_t r) {
  Rank& rank = ranks_[r];
  Stage& stage = stages_[static_cast<std::size_t>(s)];
  if (stage.wanted < 0) {
    stage.wanted = best_slot(stage, rank.clock);
    if (stage.wanted < 0 && stage.limit == unlimited) {
      rank.has_waited = !rank.has_waited;
      if (rank.has_waited) return queue(r, rank.clock, true), false;
      stage.wanted = static_cast<std::int32_t>(stage.slots.size());
      stage.slots.push_back({});
    }
    if (stage.wanted < 0) return false;
  }
  rank.has_waited = false;
  return stage.slots[static_cast<std::size_t>(stage.wanted)].unreceived == 0;
}

std::int32_t Run::best_slot(const Stage& stage, double now) const {
  const auto number = [&](auto slot) {
    return static_cast<std::int32_t>(slot - stage.slots.begin());
  };
  const auto free = std::find_if(stage.slots.begin(), stage.slots.end(),
                                 [&](const Slot& slot) { return slot.is_free(now); });
  if (free != stage.slots.end()) return number(free);
  if (stage.limit == unlimited) return -1;
  const auto sooner = [](const Slot& a, const Slot& b) {
    return std::tie(a.is_taken, a.left_at) < std::tie(b.is_taken, b.left_at);
  };
  const auto oldest = std::min_element(stage.slots.begin(), stage.slots.end(), sooner);
  return oldest->is_taken ? -1 : number(oldest);
}

void Run::leave_slot(const Action& a, std::size_t r) {
  Step& step = step_of(ranks_[r]);
  const std::size_t at = place(a.stage, a.micro_batch);
  if (--step.uses[at] > 0) return;
  Slot& slot =
      stages_[static_cast<std::size_t>(a.stage)].slots[static_cast<std::size_t>(step.slot[at])];
  slot.is_taken = false;
  slot.left_at = ranks_[r].clock;
  slot.free_at = std::max(slot.free_at, ranks_[r].clock);
}

void Run::compute(const Action& a, std::size_t r) {
  const StageTimes& t = times(a.stage);
  stages_[static_cast<std::size_t>(a.stage)].began = ranks_[r].clock;
  const double seconds = a.op == Op::forward          ? t.forward
                         : a.op == Op::backward       ? t.backward()
                         : a.op == Op::backward_input ? t.input
                                                      : t.weight;
  const Pastime pastime = a.op == Op::forward ? Pastime::forward : Pastime::backward;
  wait_until(ranks_[r].clock + seconds, pastime, a, r);
}

/// Whether the network already has the message: an error that went to another stage just before.
bool Run::is_passed_on(const Action& a, std::size_t r) const {
  if (options_.network.errors != ErrorTransfer::broadcast || a.op != Op::send_error) return false;
  const std::size_t at = ranks_[r].next;
  if (at == 0) return false;
  const Action& before = plan_.rows[r][at - 1];
  return before.op == Op::send_error && before.micro_batch == a.micro_batch;
}

/// Leaves a note; where messages move by themselves, the port is busy with one after the other.
void Run::send(const Action& a, std::size_t r) {
  Rank& rank = ranks_[r];
  const std::size_t to = rank_of(a.peer);
  const Cargo cargo = facts_of(a.op).cargo;
  double sent = rank.clock;
  if (options_.network.transfer == Transfer::at_send && to != r) {
    if (!is_passed_on(a, r))
      rank.port_free =
          std::max(rank.port_free, rank.clock) + link(r, to).seconds(options_.bytes.of(cargo));
    sent = rank.port_free + link(r, to).latency;
  }
  step_of(rank).sent_at[message(cargo, a.peer, a.micro_batch)] = sent;
  if (a.micro_batch >= 0) {
    const std::int32_t slot = step_of(rank).slot[place(a.stage, a.micro_batch)];
    ++stages_[static_cast<std::size_t>(a.stage)].slots[static_cast<std::size_t>(slot)].unreceived;
  }
  if (to != r) queue(to, rank.clock);
}

/// False if nothing has been sent yet.  The message is there afterwards: the sender's slot may be
/// free.
bool Run::receive(const Action& a, std::size_t r) {
  Rank& rank = ranks_[r];
  Step& step = step_of(rank);
  const Cargo cargo = facts_of(a.op).cargo;
  const double sent = step.sent_at[message(cargo, a.stage, a.micro_batch)];
  if (sent == not_yet) return false;
  const std::size_t from = rank_of(a.peer);
  double there = sent;
  if (options_.network.transfer == Transfer::at_receive && from != r) {
    double& port_free = ranks_[from].port_free;
    port_free = std::max(port_free, rank.clock) + link(from, r).seconds(options_.bytes.of(cargo));
    there = port_free + link(from, r).latency;
  }
  wait_until(there, Pastime::communication, a, r);
  if (a.micro_batch < 0) return true;
  const std::int32_t number = step.slot[place(a.peer, a.micro_batch)];
  Stage& sender = stages_[static_cast<std::size_t>(a.peer)];
  Slot& slot = sender.slots[static_cast<std::size_t>(number)];
  --slot.unreceived;
  slot.free_at = std::max(slot.free_at, rank.clock);
  if (sender.wanted == number) queue(from, rank.clock);
  return true;
}

/// Ranks go on together once all are here; false before that.
bool Run::meet(std::size_t r) {
  Rank& rank = ranks_[r];
  Step& step = step_of(rank);
  const auto i = static_cast<std::size_t>(rank.meetings);
  if (!rank.is_at_meeting) {
    rank.is_at_meeting = true;
    step.meeting_time[i] = std::max(step.meeting_time[i], rank.clock);
    if (++step.at_meeting[i] == plan_.ranks())
      for (std::size_t other = 0; other < ranks_.size(); ++other)
        if (other != r) queue(other, rank.clock);
  }
  if (step.at_meeting[i] < plan_.ranks()) return false;
  rank.is_at_meeting = false;
  ++rank.meetings;
  return true;
}

/// Most of the sum runs beside the last backward; its last bucket cannot.
void Run::reduce(const Action& a, std::size_t r) {
  Stage& stage = stages_[static_cast<std::size_t>(a.stage)];
  stage.summed_at =
      std::max(stage.began + times(a.stage).reduce, ranks_[r].clock + times(a.stage).reduce_tail);
}

void Run::wait_for_sums(const Action& a, std::size_t r) {
  wait_until(stages_[static_cast<std::size_t>(a.stage)].summed_at, Pastime::communication, a, r);
}

void Run::update(const Action& a, std::size_t r) {
  wait_for_sums(a, r);
  wait_until(ranks_[r].clock + times(a.stage).update, Pastime::update, a, r);
}

/// Takes the rank's next action; false if it has to wait.
bool Run::act(std::size_t r) {
  Rank& rank = ranks_[r];
  const Action& a = plan_.rows[r][rank.next];
  if (a.micro_batch >= 0 && !find_slot(a, r)) return false;
  if (a.op == Op::share_norms) {
    if (!rank.is_at_meeting) wait_for_sums(a, r);
    if (!meet(r)) return false;
    const double latest = step_of(rank).meeting_time[static_cast<std::size_t>(rank.meetings) - 1];
    wait_until(latest, Pastime::idle, a, r);
    wait_until(latest + options_.network.norms, Pastime::communication, a, r);
  } else if (is_receive(a.op)) {
    if (!receive(a, r)) return false;
  } else if (is_send(a.op)) {
    send(a, r);
  } else if (is_compute(a.op)) {
    compute(a, r);
  } else if (a.op == Op::reduce) {
    reduce(a, r);
  } else {
    update(a, r);
  }
  if (a.micro_batch >= 0) leave_slot(a, r);
  if (++rank.next == plan_.rows[r].size()) end_step(r);
  return true;
}

void Run::end_step(std::size_t r) {
  Rank& rank = ranks_[r];
  rank.totals.end = rank.clock;
  result_.ranks[r].push_back(std::exchange(rank.totals, {}));
  --step_of(rank).ranks_left;
  rank.next = 0;
  rank.meetings = 0;
  ++rank.step;
  while (!steps_.empty() && steps_.front().ranks_left == 0) {
    steps_.pop_front();
    ++first_step_;
  }
}

Execution Run::to_the_end() {
  for (std::size_t r = 0; r < ranks_.size(); ++r)
    if (!plan_.rows[r].empty()) queue(r, 0);
  while (!turns_.empty()) {
    const Turn turn = turns_.top();
    turns_.pop();
    Rank& rank = ranks_[turn.rank];
    rank.is_queued = false;
    if (rank.step >= options_.steps) continue;
    wait_until(turn.time, Pastime::idle, plan_.rows[turn.rank][rank.next], turn.rank);
    // Actions that take no time follow at once; others let those act that are earlier.
    bool acted = true;
    while (rank.step < options_.steps && rank.clock <= turn.time && acted) acted = act(turn.rank);
    if (acted) queue(turn.rank, rank.clock);
  }
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    const bool done = ranks_[r].step == options_.steps || plan_.rows[r].empty();
    result_.stuck_at.push_back(done ? -1 : static_cast<std::int64_t>(ranks_[r].next));
    result_.finished = result_.finished && done;
  }
  for (const Stage& stage : stages_)
    result_.slots.push_back(static_cast<std::int32_t>(stage.slots.size()));
  return std::move(result_);
}

}  // namespace

Execution execute(const Plan& plan, const ExecutionOptions& options) {
  return Run(plan, options).to_the_end();
}

}  // namespace dfascale
