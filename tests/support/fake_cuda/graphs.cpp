// Streams and graphs: a captured stream keeps what is queued on it, and a graph runs it again.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "control.hpp"

/// Copies from and to pinned memory are made as late as can be: when somebody waits for them.
struct FakeStream {
  std::deque<std::function<void()>> late;
  bool has_waited = false;  ///< for another stream, since its last late copy
};
struct FakeEvent {
  FakeStream* stream = nullptr;
};
struct FakeGraph {
  std::vector<std::function<void()>> nodes;
};
struct FakeGraphExec : FakeGraph {};

namespace {

struct Capture {
  cudaStream_t stream;
  FakeGraph graph = {};
  bool is_lost = false;
};
std::optional<Capture> capture;
cudaError_t last_error = cudaSuccess;

cudaError_t keep(cudaStream_t stream, std::function<void()> work) {
  if (capture->is_lost) return cudaErrorStreamCaptureInvalidated;
  if (stream != capture->stream) {
    capture->is_lost = true;
    return cudaErrorStreamCaptureImplicit;
  }
  ++fake_cuda::recorded;
  capture->graph.nodes.push_back(std::move(work));
  return cudaSuccess;
}

/// At the end, for scripts that start a program.
struct Report {
  ~Report() {
    if (std::getenv("FAKE_CUDA_REPORT") == nullptr) return;
    std::fprintf(stderr, "fake CUDA: %d launches, %d recorded, %d replays\n", fake_cuda::launches,
                 fake_cuda::recorded, fake_cuda::replays);
  }
} report;

}  // namespace

namespace fake_cuda {

bool is_capturing() { return capture.has_value(); }

cudaError_t refuse_in_capture() {
  if (!capture) return cudaSuccess;
  capture->is_lost = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t queue(cudaStream_t stream, std::function<void()> work) {
  if (capture) return keep(stream, std::move(work));
  ++launches;
  work();
  return cudaSuccess;
}

void queue_late(cudaStream_t stream, std::function<void()> copy) {
  if (stream == nullptr) return copy();
  stream->late.push_back(std::move(copy));
  if (!std::exchange(stream->has_waited, false)) ++unordered;
}

void drain(cudaStream_t stream) {
  while (stream != nullptr && !stream->late.empty()) {
    const std::function<void()> next = std::move(stream->late.front());
    stream->late.pop_front();
    next();
  }
}

void launch(cudaStream_t stream, std::function<void()> kernel) {
  const cudaError_t status = queue(stream, std::move(kernel));
  if (status != cudaSuccess) last_error = status;
}

}  // namespace fake_cuda

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new FakeStream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  if (event->stream != stream) {
    fake_cuda::drain(event->stream);
    if (stream != nullptr) stream->has_waited = true;
  }
  return fake_cuda::copying;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new FakeEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  event->stream = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr) return cudaErrorStreamCaptureUnsupported;  // the default stream
  if (capture) return cudaErrorIllegalState;
  capture = Capture{stream};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!capture) return cudaErrorIllegalState;
  if (stream != capture->stream) return cudaErrorStreamCaptureUnmatched;
  const Capture ended = *std::exchange(capture, std::nullopt);
  if (ended.is_lost) return cudaErrorStreamCaptureInvalidated;
  *graph = new FakeGraph{ended.graph};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  if (std::getenv("FAKE_CUDA_REFUSES_GRAPHS") != nullptr) return cudaErrorMemoryAllocation;
  if (fake_cuda::instantiating != cudaSuccess) return fake_cuda::instantiating;
  *made = new FakeGraphExec{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  if (const cudaError_t refused = fake_cuda::refuse_in_capture()) return refused;
  ++fake_cuda::replays;
  for (const std::function<void()>& node : graph->nodes) node();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
