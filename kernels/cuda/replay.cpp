// kernels/replay.hpp by CUDA graphs, captured from the device's stream.
#include "kernels/replay.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "kernels/cuda/calls.hpp"

namespace dfascale {
namespace {

using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using Recorded = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

/// What is queued on a stream while this lives is kept instead of run.  Calls of other threads,
/// which write checkpoints, are not looked at.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    CUDA_CHECKED(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Capture() {
    if (!is_open_) return;
    cudaGraph_t unfinished = nullptr;
    cudaStreamEndCapture(stream_, &unfinished);
    Graph(unfinished).reset();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Graph finish() {
    is_open_ = false;
    cudaGraph_t graph = nullptr;
    CUDA_CHECKED(cudaStreamEndCapture(stream_, &graph));
    return Graph(graph);
  }

 private:
  cudaStream_t stream_;
  bool is_open_ = true;
};

/// What is called between products sends messages, which no recording may hold.
class Silence {
 public:
  explicit Silence(Gemm& gemm) : gemm_(gemm), pulse_(gemm.called_between()) {
    gemm_.call_between(nullptr);
  }
  ~Silence() { gemm_.call_between(pulse_); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  Gemm& gemm_;
  void (*pulse_)();
};

Recorded record(cudaStream_t stream, const std::function<void()>& work) {
  Capture capture(stream);
  work();
  const Graph graph = capture.finish();
  cudaGraphExec_t made = nullptr;
  CUDA_CHECKED(cudaGraphInstantiate(&made, graph.get(), 0));
  return Recorded(made);
}

}  // namespace

struct Replay::State {
  std::map<Passage, Recorded> passages;  ///< null: has run once
};

Replay::Replay(const Device& on, Gemm& gemm)
    : on_(on), gemm_(gemm), state_(std::make_unique<State>()) {}
Replay::~Replay() = default;

void Replay::forget() { state_->passages.clear(); }

void Replay::replay(const Passage& passage, const std::function<void()>& work) {
  const auto [found, is_first] = state_->passages.try_emplace(passage);
  if (is_first) return work();
  Recorded& recorded = found->second;
  const auto stream = static_cast<cudaStream_t>(on_.stream);
  try {
    const Silence silence(gemm_);
    if (!recorded) recorded = record(stream, work);
    CUDA_CHECKED(cudaGraphLaunch(recorded.get(), stream));
  } catch (const Error& error) {
    if (error.code() != Exit::device) throw;
    fail(Exit::device, "the CUDA graph of {} {}: {}; run.graphs = false does without graphs",
         passage.name, fmt::join(passage.numbers, " "), error.what());
  }
  gemm_.pulse();
}

}  // namespace dfascale
