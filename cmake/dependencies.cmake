# Every outside library, found here once.  cmake/install-dependencies.sh installs them; nothing is downloaded.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)  # SHA-256
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)

include(kokkos)
if(NOT DFASCALE_CUDA)
  find_package(OpenMP REQUIRED COMPONENTS CXX)  # the thread count of oneDNN

  # Not through its CMake package: Debian's wants the OpenCL development files that a CPU build has no use for.
  find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.hpp REQUIRED)
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  add_library(dnnl INTERFACE)
  target_include_directories(dnnl SYSTEM INTERFACE ${DNNL_INCLUDE})
  target_link_libraries(dnnl INTERFACE ${DNNL_LIBRARY})
endif()
find_path(RANDOM123_INCLUDE Random123/philox.h REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)  # headers alone: not everybody installs its pkg-config file
add_library(tomlplusplus INTERFACE)
target_include_directories(tomlplusplus SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE})

if(DFASCALE_MPI)
  find_package(MPI REQUIRED COMPONENTS C)
  # Without the C++ bindings that mpi.h would bring in, which need a library of their own.
  target_compile_definitions(MPI::MPI_C INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
  set(HDF5_PREFER_PARALLEL ON)  # the one that is installed; a serial one does as well
endif()

# For GPUs.  Tests look for the libraries even where the build does not use them.
find_package(CUDAToolkit QUIET)
find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR})
if(CUDAToolkit_FOUND AND NCCL_INCLUDE AND NCCL_LIBRARY)
  add_library(nccl INTERFACE)
  target_include_directories(nccl SYSTEM INTERFACE ${NCCL_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(nccl INTERFACE ${NCCL_LIBRARY} CUDA::cudart)
endif()
if(DFASCALE_CUDA AND NOT TARGET CUDA::cublasLt)
  message(FATAL_ERROR "DFASCALE_CUDA is on, but the CUDA Toolkit's cuBLAS (cublasLt.h, libcublasLt) was not found: install "
    "it, set CUDAToolkit_ROOT, or configure with -DDFASCALE_CUDA=OFF")
elseif(DFASCALE_CUDA AND DFASCALE_MPI AND NOT TARGET nccl)
  message(FATAL_ERROR "DFASCALE_CUDA is on, but NCCL (nccl.h, libnccl) was not found: install it, set NCCL_INCLUDE and "
    "NCCL_LIBRARY, or configure with -DDFASCALE_MPI=OFF for one GPU, or with -DDFASCALE_CUDA=OFF")
endif()

# CMake asks HDF5's compiler wrapper, and Debian's fails below a path with a space: there pkg-config says where HDF5 is.
if(PROJECT_BINARY_DIR MATCHES "[^-A-Za-z0-9_./+@~=:,]" AND NOT DEFINED HDF5_ROOT)
  pkg_search_module(HDF5_PLACE QUIET hdf5-openmpi hdf5-mpich hdf5)
  set(HDF5_ROOT ${HDF5_PLACE_LIBRARY_DIRS} ${HDF5_PLACE_INCLUDE_DIRS})
endif()
find_package(HDF5 COMPONENTS C)
if(NOT HDF5_FOUND)
  message(FATAL_ERROR "HDF5 was not found: install it (cmake/install-dependencies.sh), or set HDF5_ROOT to where it is. Its compiler "
    "wrapper (h5cc, h5pcc) may fail below a path with spaces or other special characters, so build elsewhere than in "
    "${PROJECT_BINARY_DIR} if it has any.")
endif()
if(HDF5_IS_PARALLEL AND NOT DFASCALE_MPI)
  message(FATAL_ERROR "HDF5 was built with MPI, whose header it wants: install a serial one (Debian: libhdf5-dev, "
    "Spack: hdf5~mpi) or leave -DDFASCALE_MPI=ON")
endif()
