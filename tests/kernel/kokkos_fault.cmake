# usage: cmake -P kokkos_fault.cmake: which Kokkos a GPU build takes, and what it says of one that it does not.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/kokkos_for_cuda.cmake)

# expect(PATTERN [found] [toolkit] [architectures]) with Kokkos_* as they are.
function(expect pattern found toolkit architectures)
  dfascale_kokkos_fault(fault ${found} ${toolkit} "${architectures}")
  if(NOT fault MATCHES "${pattern}")
    message(SEND_ERROR "expected \"${pattern}\", not \"${fault}\"")
  endif()
endfunction()

set(Kokkos_DIR /opt/kokkos)
expect("^no Kokkos was found$" FALSE 13.0.88 "")

# Debian's.
set(Kokkos_VERSION 3.4.01)
set(Kokkos_DEVICES SERIAL)
expect([[^Kokkos 3.4.01 \(/opt/kokkos\) has no CUDA$]] TRUE 13.0.88 "80;90")

set(Kokkos_VERSION 4.6.01)
set(Kokkos_DEVICES CUDA SERIAL)
set(Kokkos_COMPILE_LANGUAGE CUDA)
set(Kokkos_CUDA_ARCHITECTURES 90)
expect("4.6.01 .* too old for CUDA 13.0.88, which wants 4.7.01" TRUE 13.0.88 "")
expect("^$" TRUE 12.9.86 "")

set(Kokkos_VERSION 4.7.01)
expect("^$" TRUE 13.0.88 "")
expect("^$" TRUE 13.0.88 "90")
expect("^$" TRUE 13.0.88 "90-real")
expect("built for sm_90, CMAKE_CUDA_ARCHITECTURES is 80$" TRUE 13.0.88 "80-real")
expect("built for sm_90, CMAKE_CUDA_ARCHITECTURES is 80;90$" TRUE 13.0.88 "80;90")
set(Kokkos_OPTIONS CUDA_LAMBDA CUDA_RELOCATABLE_DEVICE_CODE)
expect("RELOCATABLE_DEVICE_CODE" TRUE 13.0.88 "")
set(Kokkos_OPTIONS CUDA_LAMBDA)
set(Kokkos_COMPILE_LANGUAGE CXX)
expect("nvcc_wrapper.*Kokkos_ENABLE_COMPILE_AS_CMAKE_LANGUAGE=ON" TRUE 13.0.88 "")
