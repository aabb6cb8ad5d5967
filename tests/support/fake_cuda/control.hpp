// What a test tells the fakes, and asks them.
#pragma once

#include <cstddef>
#include <functional>

#include "cublasLt.h"

namespace fake_cuda {

inline int cards = 1, card = -1;            ///< how many there are; which one was chosen
inline cudaError_t counting = cudaSuccess;  ///< what asking for cards answers
inline cudaError_t copying = cudaSuccess;   ///< what copies and waits answer, and frees
inline std::size_t memory = std::size_t{1} << 30, taken = 0;  ///< of the card, in bytes
inline std::size_t pinned = std::size_t{1} << 30;             ///< of the host, in bytes
inline int unordered = 0;  ///< copies on a side stream that wait for nothing on the device's

inline int plans = 0, products = 0;  ///< how often cuBLASLt was asked
inline bool has_algorithm = true;
inline cublasStatus_t multiplying = CUBLAS_STATUS_SUCCESS;

inline int launches = 0;  ///< of single kernels and products
inline int recorded = 0;  ///< kernels and products that graphs were made of
inline int replays = 0;   ///< launches of graphs
inline cudaError_t instantiating = cudaSuccess;

/// What is queued on a stream: runs at once, or is kept where the stream is being captured.  What
/// it was given by value it keeps, as CUDA does.
cudaError_t queue(cudaStream_t stream, std::function<void()> work);
/// The same of a kernel, whose error cudaGetLastError tells.
void launch(cudaStream_t stream, std::function<void()> kernel);
/// A copy that the host does not wait for, and what it has to be made for.
void queue_late(cudaStream_t stream, std::function<void()> copy);
void drain(cudaStream_t stream);
bool is_capturing();
/// What must not be called while a stream is captured: the capture is then lost.
cudaError_t refuse_in_capture();

}  // namespace fake_cuda
