// The one check of calls to CUDA's runtime, and the one owner of what its libraries hand out.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <string>
#include <type_traits>

#include "base/error.hpp"

namespace dfascale {

/// Throws Error(Exit::device): "CUDA: copying to the GPU failed: ..."; of a call's text only its
/// name is told.  Errors of kernels show in a later call, and CUDA stays broken then: main ends all
/// ranks.
inline void expect_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const std::string text = what;
  fail(Exit::device, "CUDA: {} failed: {} ({})", text.substr(0, text.find('(')),
       cudaGetErrorString(status), cudaGetErrorName(status));
}
#define CUDA_CHECKED(call) ::dfascale::expect_cuda((call), #call)

/// Closes an object of CUDA or of a library over it.
template <auto destroy>
struct Closer {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};
template <class T, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Closer<destroy>>;

}  // namespace dfascale
