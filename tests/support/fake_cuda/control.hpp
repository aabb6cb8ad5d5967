// What a test tells the fakes, and asks them.
#pragma once

#include <cstddef>

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

}  // namespace fake_cuda
