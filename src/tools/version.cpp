// What --version prints.
#include "base/version.hpp"

#include <fmt/format.h>

#include "kernels/device.hpp"
#include "kernels/gemm.hpp"
#include "tools/tools.hpp"

namespace dfascale {

std::string describe_build() {
  const std::string products = Gemm::library();  // with the thread count, which a session sets
  return fmt::format(
      "dfascale {}\nrevision  {}\ncompiler  {}\nkernels   {}\nproducts  {}\nMPI       {}\nHDF5     "
      " {}",
      version(), git_revision(), compiler(), backend_name(),
      products.substr(0, products.find(" (")), comm_library(), DFASCALE_HDF5);
}

}  // namespace dfascale
