# -DDFASCALE_CUDA=ON: the program computes on NVIDIA GPUs.  Needs the CUDA Toolkit (12 or newer) with cuBLAS, and NCCL where
# there is MPI; no GPU is needed to build.  CMAKE_CUDA_ARCHITECTURES chooses the GPUs: 80 A100, 90 H100, 100 B200, ...; else
# they are those that Kokkos was built for (kokkos.cmake), or these.
if(DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(dfascale_gpus_asked_for ${CMAKE_CUDA_ARCHITECTURES})
else()
  set(dfascale_gpus_asked_for "")
  set(CMAKE_CUDA_ARCHITECTURES 80 90)
endif()
include(CheckLanguage)
find_program(CMAKE_CUDA_COMPILER nvcc HINTS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "DFASCALE_CUDA is on, but no CUDA compiler was found: install the CUDA Toolkit, put nvcc on PATH, "
    "or configure with -DDFASCALE_CUDA=OFF")
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "CUDA ${CMAKE_CUDA_COMPILER_VERSION} (${CMAKE_CUDA_COMPILER}) has no C++20: use 12 or newer")
endif()
# CMake 3.25 does not know that CUDA 13 has C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
