// ArrayComm over NCCL: arrays in the memory of GPUs.  A program that links this leaves
// arrays_mpi.cpp out.
//
// Collectives follow each other on one lane.  Messages have a lane for each route: what waits on
// one never holds back another.  Since NCCL's messages have no tags, and a receive on a GPU keeps
// processors busy until its sender comes, ranks agree by MPI first: the sender announces a message
// under its tag; the receiver that wants it answers with its number and receives; then the sender
// sends.  The order on a lane is that of the answers, and neither side waits long for the other.
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>

#include "comm/arrays.hpp"
#include "comm/nccl_calls.hpp"

namespace dfascale {
namespace {

constexpr int id_tag = 0, answer_tag = 1;
constexpr int sender = 0, receiver = 1;  // the ranks of a lane of two

std::string joining() { return "waits for other ranks to open communicators between GPUs"; }

/// What MPI tells about a message.
struct Announcement {
  std::int64_t number, floats;
};

/// Something under way: what MPI still has to deliver of it, and the GPU's part.
struct Message {
  Request talk;
  Operation operation;
};
struct Send : Message {
  ConstVec values;
  Announcement told{};
};
struct Receive : Message {
  Vec values;
  int from = 0;
  Announcement told{};
  Request hearing;
};

cudaStream_t stream_of(const Device& on) { return static_cast<cudaStream_t>(on.stream); }

std::size_t size_of(ConstVec values) { return static_cast<std::size_t>(values.size); }

/// The card that this rank computes on, named the same by all ranks.
std::string own_card() {
  int card = 0;
  char address[32] = "", node[256] = "";
  CUDA_CHECKED(cudaGetDevice(&card));
  CUDA_CHECKED(cudaDeviceGetPCIBusId(address, sizeof address, card));
  gethostname(node, sizeof node - 1);
  return fmt::format("GPU {} of {}", address, node);
}

void expect_own_cards(const Comm& ranks) {
  const std::vector<std::string> cards = ranks.gather(own_card());
  std::string verdict = shared_card(cards);
  ranks.broadcast(verdict);
  if (!verdict.empty()) throw Error(Exit::device, verdict);
}

}  // namespace

struct ArrayComm::State {
  /// A route that begins or ends here.
  struct Channel {
    std::unique_ptr<Lane> lane;
    std::deque<std::shared_ptr<Send>> sends;  ///< announced, not answered yet
    std::int64_t announced = 0;               ///< how many there have been
    std::int64_t answer = 0;
    std::optional<Request> hearing;  ///< of the answer
    std::shared_ptr<Send> take(std::int64_t number);
  };

  State(const Comm& ranks, const Device& on, const std::vector<Route>& between);
  void open(Channel& channel, Route route);
  void connect(const Lane& lane, Route route) const;
  Channel& channel(Route route) { return channels[routes.place(route)]; }
  /// Begins what others have become ready for.  Never waits.
  void progress();
  void hear_answers(Channel& channel, int to);
  void issue(Receive& receive);

  const Device& on;
  Routes routes;
  Comm announcements, answers;  // the ranks, with messages of their own
  std::unique_ptr<Lane> collectives;
  std::vector<Channel> channels;                 // by route; no lane where it is others'
  std::vector<std::shared_ptr<Receive>> wanted;  // not announced yet
  ProgressStep progressing{[this] { progress(); }};
};

ArrayComm::State::State(const Comm& ranks, const Device& on, const std::vector<Route>& between)
    : on(on),
      routes(between),
      announcements(ranks.duplicate()),
      answers(ranks.duplicate()),
      channels(routes.all().size()) {
  expect_own_cards(ranks);
  ncclUniqueId id = ranks.rank() == 0 ? new_id() : ncclUniqueId{};
  ranks.broadcast(&id, sizeof id);
  collectives = std::make_unique<Lane>(id, ranks.rank(), ranks.size());
  // One route after the other, in the same order on all ranks: none waits for one that waits.
  for (std::size_t i = 0; i < channels.size(); ++i)
    if (const Route route = routes.all()[i]; route.from == ranks.rank() || route.to == ranks.rank())
      open(channels[i], route);
}

void ArrayComm::State::open(Channel& channel, Route route) {
  if (route.from == route.to) {
    channel.lane = std::make_unique<Lane>();
    return;
  }
  const bool sends = route.from == answers.rank();
  ncclUniqueId id = sends ? new_id() : ncclUniqueId{};
  answers.wait(sends ? answers.start_send(&id, sizeof id, route.to, id_tag)
                     : answers.start_receive(&id, sizeof id, route.from, id_tag),
               joining);
  channel.lane = std::make_unique<Lane>(id, sends ? sender : receiver, 2);
  connect(*channel.lane, route);
}

/// The first message of a lane makes both its ranks wait for each other: here, where they do.
void ArrayComm::State::connect(const Lane& lane, Route route) const {
  const std::unique_ptr<void, void (*)(void*)> number(device_allocate(sizeof(float)), device_free);
  Operation operation;
  operation.begin_after(stream_of(on));
  lane.issue(operation, [&](ncclComm_t comm, cudaStream_t stream) {
    if (route.from == answers.rank())
      NCCL_CHECKED(ncclSend(number.get(), 1, ncclFloat, receiver, comm, stream), comm);
    else NCCL_CHECKED(ncclRecv(number.get(), 1, ncclFloat, sender, comm, stream), comm);
  });
  Comm::wait_until([&] { return operation.is_done() || (lane.expect_health(), false); }, joining);
}

void ArrayComm::State::progress() {
  for (std::size_t i = 0; i < channels.size(); ++i)
    if (const Route route = routes.all()[i]; route.from != route.to)
      hear_answers(channels[i], route.to);
  std::erase_if(wanted, [&](const std::shared_ptr<Receive>& receive) {
    if (!receive->hearing.done()) return false;
    issue(*receive);
    return true;
  });
}

/// Listens as long as something is not answered: at the end nothing is left over.
void ArrayComm::State::hear_answers(Channel& channel, int to) {
  while (!channel.sends.empty()) {
    if (!channel.hearing)
      channel.hearing =
          answers.start_receive(&channel.answer, sizeof channel.answer, to, answer_tag);
    if (!channel.hearing->done()) return;
    channel.hearing.reset();
    const std::shared_ptr<Send> send = channel.take(channel.answer);
    channel.lane->issue(send->operation, [&](ncclComm_t comm, cudaStream_t stream) {
      NCCL_CHECKED(
          ncclSend(send->values.data, size_of(send->values), ncclFloat, receiver, comm, stream),
          comm);
    });
  }
}

std::shared_ptr<Send> ArrayComm::State::Channel::take(std::int64_t number) {
  const auto found = std::find_if(sends.begin(), sends.end(),
                                  [&](const auto& send) { return send->told.number == number; });
  if (found == sends.end()) throw std::logic_error("an answer to a message that was not announced");
  std::shared_ptr<Send> send = *found;
  sends.erase(found);
  return send;
}

/// The message is there: answers and receives; within the rank copies.
void ArrayComm::State::issue(Receive& receive) {
  if (receive.told.floats != receive.values.size)
    throw std::logic_error(fmt::format("rank {} sends {} floats to rank {}, which expects {}",
                                       receive.from, receive.told.floats, answers.rank(),
                                       receive.values.size));
  Channel& from = channel({receive.from, answers.rank()});
  if (receive.from == answers.rank()) {
    const std::shared_ptr<Send> send = from.take(receive.told.number);
    from.lane->issue(receive.operation, [&](ncclComm_t, cudaStream_t) {
      from.lane->issue(send->operation, [&](ncclComm_t, cudaStream_t stream) {
        CUDA_CHECKED(cudaMemcpyAsync(receive.values.data, send->values.data,
                                     size_of(send->values) * sizeof(float),
                                     cudaMemcpyDeviceToDevice, stream));
      });
    });
    return;
  }
  receive.talk = answers.start_send(&receive.told.number, sizeof receive.told.number, receive.from,
                                    answer_tag);
  from.lane->issue(receive.operation, [&](ncclComm_t comm, cudaStream_t stream) {
    NCCL_CHECKED(
        ncclRecv(receive.values.data, size_of(receive.values), ncclFloat, sender, comm, stream),
        comm);
  });
}

namespace {

/// Done when MPI and the GPU are; meanwhile asks NCCL whether all is well.  `state` lives as long.
template <class State>
Request following(std::shared_ptr<State> state, const Lane& lane,
                  std::shared_ptr<Message> message) {
  return Request([state = std::move(state), &lane, message = std::move(message)] {
    state->progress();
    if (message->operation.is_done()) return message->talk.done();
    lane.expect_health();
    return false;
  });
}

/// An operation of all ranks: queued at once.
template <class State, class Call>
Request collective(const std::shared_ptr<State>& state, Call&& call) {
  auto message = std::make_shared<Message>();
  message->operation.begin_after(stream_of(state->on));
  state->collectives->issue(message->operation, call);
  return following(state, *state->collectives, std::move(message));
}

/// The same for each part, as one operation.
template <class Call>
void for_parts(std::span<const std::int64_t> cuts, ncclComm_t comm, Call&& call) {
  NCCL_CHECKED(ncclGroupStart(), comm);
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r)
    if (cuts[r + 1] > cuts[r])
      call(static_cast<int>(r), cuts[r], static_cast<std::size_t>(cuts[r + 1] - cuts[r]));
  NCCL_CHECKED(ncclGroupEnd(), comm);
}

}  // namespace

/// The library sums, whoever is asked to.
ArrayComm::ArrayComm(const Comm& ranks, const Device& on, const std::vector<Route>& routes, SumsBy)
    : ranks_(ranks), state_(std::make_shared<State>(ranks, on, routes)) {}

Request ArrayComm::start_send(ConstVec values, int to, int tag) const {
  State::Channel& channel = state_->channel({rank(), to});
  auto send = std::make_shared<Send>();
  send->values = values;
  send->told = {channel.announced++, values.size};
  send->operation.begin_after(stream_of(state_->on));
  send->talk = state_->announcements.start_send(&send->told, sizeof send->told, to, tag);
  channel.sends.push_back(send);
  return following(state_, *channel.lane, send);
}

Request ArrayComm::start_receive(Vec values, int from, int tag) const {
  State::Channel& channel = state_->channel({from, rank()});
  auto receive = std::make_shared<Receive>();
  receive->values = values;
  receive->from = from;
  receive->operation.begin_after(stream_of(state_->on));
  receive->hearing =
      state_->announcements.start_receive(&receive->told, sizeof receive->told, from, tag);
  state_->wanted.push_back(receive);
  return following(state_, *channel.lane, receive);
}

void ArrayComm::wait_for_message(int from, int tag,
                                 const std::function<std::string()>& what) const {
  state_->announcements.wait_for_message(from, tag, what);
}

Request ArrayComm::start_all_reduce_sum(Vec values) const {
  return collective(state_, [&](ncclComm_t comm, cudaStream_t stream) {
    NCCL_CHECKED(
        ncclAllReduce(values.data, values.data, size_of(values), ncclFloat, ncclSum, comm, stream),
        comm);
  });
}

Request ArrayComm::start_reduce_scatter_sum(Vec values, std::span<const std::int64_t> cuts) const {
  return collective(state_, [&](ncclComm_t comm, cudaStream_t stream) {
    float* own = values.data + cuts[static_cast<std::size_t>(rank())];
    if (are_even(cuts)) {
      NCCL_CHECKED(
          ncclReduceScatter(values.data + cuts[0], own, static_cast<std::size_t>(cuts[1] - cuts[0]),
                            ncclFloat, ncclSum, comm, stream),
          comm);
      return;
    }
    for_parts(cuts, comm, [&](int owner, std::int64_t first, std::size_t count) {
      float* part = values.data + first;
      NCCL_CHECKED(ncclReduce(part, part, count, ncclFloat, ncclSum, owner, comm, stream), comm);
    });
  });
}

Request ArrayComm::start_all_gather(Vec values, std::span<const std::int64_t> cuts) const {
  return collective(state_, [&](ncclComm_t comm, cudaStream_t stream) {
    const float* own = values.data + cuts[static_cast<std::size_t>(rank())];
    if (are_even(cuts)) {
      NCCL_CHECKED(
          ncclAllGather(own, values.data + cuts[0], static_cast<std::size_t>(cuts[1] - cuts[0]),
                        ncclFloat, comm, stream),
          comm);
      return;
    }
    for_parts(cuts, comm, [&](int owner, std::int64_t first, std::size_t count) {
      float* part = values.data + first;
      NCCL_CHECKED(ncclBroadcast(part, part, count, ncclFloat, owner, comm, stream), comm);
    });
  });
}

Request ArrayComm::start_broadcast(Vec values, int root) const {
  return collective(state_, [&](ncclComm_t comm, cudaStream_t stream) {
    NCCL_CHECKED(
        ncclBroadcast(values.data, values.data, size_of(values), ncclFloat, root, comm, stream),
        comm);
  });
}

}  // namespace dfascale
