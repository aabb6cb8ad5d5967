// The scratch of the GPU's attention; apart from attention.cu, since nvcc cannot compile fmt.
#include "base/error.hpp"
#include "kernels/cuda/flash_blocks.hpp"

namespace dfascale {

std::int64_t attention_scratch(const AttentionShape& shape) {
  const std::int64_t size = shape.width / shape.heads;
  if (size > flash::widest_head)
    fail(Exit::usage,
         "heads of {} columns (model.width = {}, model.heads = {}): on GPUs they have "
         "at most {}; use more heads",
         size, shape.width, shape.heads, flash::widest_head);
  return flash::kept_floats(shape);
}

}  // namespace dfascale
