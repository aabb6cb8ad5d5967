// kernels/attention.hpp on GPUs: without matrix products of the library and without scores in
// memory.  Scratch holds three numbers for each query and head.
#include "kernels/attention.hpp"
#include "kernels/cuda/flash_blocks.hpp"
#include "kernels/cuda/launch.hpp"

namespace dfascale {
namespace flash {
namespace {

template <class S, class T>
__global__ void __launch_bounds__(threads) attention_forward_tile(Problem<T> problem) {
  extern __shared__ float memory[];
  Team<ForwardMine<S>> team;
  forward_block<S>(team, *reinterpret_cast<ForwardShared<S>*>(memory), problem, blockIdx.x);
}

template <class S, class T>
__global__ void __launch_bounds__(threads) attention_backward_queries(Problem<T> problem) {
  extern __shared__ float memory[];
  Team<QueryMine<S>> team;
  queries_block<S>(team, *reinterpret_cast<QueryShared<S>*>(memory), problem, blockIdx.x);
}

template <class S, class T>
__global__ void __launch_bounds__(threads, 1) attention_backward_keys(Problem<T> problem) {
  extern __shared__ float memory[];
  Team<KeyMine<S>> team;
  keys_block<S>(team, *reinterpret_cast<KeyShared<S>*>(memory), problem, blockIdx.x);
}

/// Queues a kernel whose blocks share a `Shared`; more than 48 KiB must be asked for.
template <class Shared, class T>
void start(const char* name, const Device& on, void (*kernel)(Problem<T>), std::int64_t blocks,
           const Problem<T>& problem) {
  if (blocks == 0) return;
  launch::begin_launch(name);
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared));
  kernel<<<static_cast<unsigned>(blocks), threads, sizeof(Shared), launch::stream_of(on)>>>(
      problem);
  launch::end_launch(name);
}

}  // namespace
}  // namespace flash

using namespace flash;

void attention_forward(const Device& on, Stored out, ConstStored qkv, const AttentionShape& shape,
                       Vec) {
  with_type(qkv.precision, [&]<class T>(T) {
    const Problem<T> problem{shape, qkv.as<const T>(), {}, out.as<T>(), {}};
    for_sizes(shape, [&](auto sizes) {
      using S = typename decltype(sizes)::Forward;
      start<ForwardShared<S>>("attention", on, attention_forward_tile<S, T>,
                              blocks(shape, S::queries), problem);
    });
  });
}

void attention_backward(const Device& on, Stored dqkv, ConstStored dout, ConstStored qkv,
                        const AttentionShape& shape, Vec scratch) {
  with_type(qkv.precision, [&]<class T>(T) {
    const Problem<T> problem{shape, qkv.as<const T>(), dout.as<const T>(), dqkv.as<T>(), scratch};
    for_sizes(shape, [&](auto sizes) {
      using Q = typename decltype(sizes)::Queries;
      using K = typename decltype(sizes)::Keys;
      start<QueryShared<Q>>("attention_query", on, attention_backward_queries<Q, T>,
                            blocks(shape, Q::queries), problem);
      start<KeyShared<K>>("attention_keys", on, attention_backward_keys<K, T>,
                          blocks(shape, K::keys), problem);
    });
  });
}

}  // namespace dfascale
