# Kokkos, which runs the kernels: on hosts always; on GPUs where one with CUDA is found, with bare CUDA in its place otherwise.
if(NOT DFASCALE_CUDA)
  find_package(Kokkos REQUIRED)
  if("CUDA" IN_LIST Kokkos_DEVICES)
    message(FATAL_ERROR "Kokkos ${Kokkos_VERSION} (${Kokkos_DIR}) was built for GPUs: configure with -DDFASCALE_CUDA=ON, or set "
      "Kokkos_ROOT to one for hosts")
  endif()
  # Debian's Kokkos, built within Trilinos, exports /usr/lib/include, which does not exist; its headers are in
  # /usr/include/trilinos.
  get_target_property(directories Kokkos::kokkos INTERFACE_INCLUDE_DIRECTORIES)
  foreach(directory IN LISTS directories)
    if(directory MATCHES "^/" AND NOT EXISTS ${directory})
      find_path(KOKKOS_INCLUDE Kokkos_Core.hpp HINTS ${Kokkos_INCLUDE_DIRS} PATH_SUFFIXES trilinos REQUIRED)
      set_target_properties(Kokkos::kokkos PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${KOKKOS_INCLUDE})
    endif()
  endforeach()
  return()
endif()

set(DFASCALE_LAUNCH auto CACHE STRING "Kernels on GPUs over: kokkos, cuda (no Kokkos), auto (kokkos where one with CUDA is found)")
set_property(CACHE DFASCALE_LAUNCH PROPERTY STRINGS auto kokkos cuda)
if(NOT DFASCALE_LAUNCH MATCHES "^(auto|kokkos|cuda)$")
  message(FATAL_ERROR "DFASCALE_LAUNCH = ${DFASCALE_LAUNCH}: expected one of auto, kokkos, cuda")
endif()

set(fault "as DFASCALE_LAUNCH says")
if(NOT DFASCALE_LAUNCH STREQUAL "cuda")
  include(kokkos_for_cuda)
  # The component keeps a Kokkos for nvcc_wrapper from taking over how all files are compiled.
  find_package(Kokkos QUIET OPTIONAL_COMPONENTS separable_compilation)
  dfascale_kokkos_fault(fault "${Kokkos_FOUND}" "${CMAKE_CUDA_COMPILER_VERSION}" "${dfascale_gpus_asked_for}")
endif()
if(NOT fault)
  set(DFASCALE_KOKKOS_GPU ON)
  set(CMAKE_CUDA_ARCHITECTURES ${Kokkos_CUDA_ARCHITECTURES})
  set(over "Kokkos ${Kokkos_VERSION} (${Kokkos_DIR})")
elseif(DFASCALE_LAUNCH STREQUAL "kokkos")
  message(FATAL_ERROR "DFASCALE_LAUNCH is kokkos, but ${fault}: set Kokkos_ROOT to a Kokkos for these GPUs (docs/gpu.md says how to "
    "get one), or configure with -DDFASCALE_LAUNCH=cuda, which needs none")
else()
  set(DFASCALE_KOKKOS_GPU OFF)
  set(over "bare CUDA: ${fault}")
endif()
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES PREPEND sm_ OUTPUT_VARIABLE gpus)
list(JOIN gpus " " gpus)
message(STATUS "Kernels for ${gpus} over ${over}")  # tests/kernel/cuda_program.sh reads it
