# Every outside library, found here once.  cmake/install-dependencies.sh installs them; nothing is downloaded.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)  # SHA-256
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)

# Debian's Kokkos, built within Trilinos, exports /usr/lib/include, which does not exist; its headers are in
# /usr/include/trilinos.
find_package(Kokkos REQUIRED)
get_target_property(directories Kokkos::kokkos INTERFACE_INCLUDE_DIRECTORIES)
foreach(directory IN LISTS directories)
  if(directory MATCHES "^/" AND NOT EXISTS ${directory})
    find_path(KOKKOS_INCLUDE Kokkos_Core.hpp HINTS ${Kokkos_INCLUDE_DIRS} PATH_SUFFIXES trilinos REQUIRED)
    set_target_properties(Kokkos::kokkos PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${KOKKOS_INCLUDE})
  endif()
endforeach()
find_package(OpenMP REQUIRED COMPONENTS CXX)  # the thread count of oneDNN

# Not through its CMake package: Debian's wants the OpenCL development files that a CPU build has no use for.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(dnnl INTERFACE)
target_include_directories(dnnl SYSTEM INTERFACE ${DNNL_INCLUDE})
target_link_libraries(dnnl INTERFACE ${DNNL_LIBRARY})
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
find_package(HDF5 REQUIRED COMPONENTS C)
if(HDF5_IS_PARALLEL AND NOT DFASCALE_MPI)
  message(FATAL_ERROR "HDF5 was built with MPI, whose header it wants: install a serial one (Debian: libhdf5-dev, "
    "Spack: hdf5~mpi) or leave -DDFASCALE_MPI=ON")
endif()
