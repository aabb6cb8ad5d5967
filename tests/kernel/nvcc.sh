#!/usr/bin/env bash
# usage: nvcc.sh NVCC CXX SOURCE_DIR RANDOM123_INCLUDE OUT_DIR FILE.cpp ...
# Compiles every kernel text for a GPU with plain nvcc, two at a time, every warning an error.  A file named
# device_* or runtime_* has no kernels: it goes to the host compiler with CUDA's headers.  Needs no GPU.
set -euo pipefail
export nvcc=$1 cxx=$2 source_dir=$3 random123=$4 out=$5
shift 5
mkdir -p "$out"
# nvcc looks into /usr/include by itself; naming it would break the order of the C++ library's headers.
export includes="-I$source_dir -I$source_dir/src"
[ "$random123" = /usr/include ] || includes+=" -isystem $random123"
cuda_include=$(dirname "$(dirname "$(readlink -f "$nvcc")")")/include
export cuda_include

compile() {
  local file=$1 object=$out/${1##*/}.o
  case ${file##*/} in
    device_* | runtime_*)
      "$cxx" -std=c++20 -Wall -Wextra -Werror $includes -isystem "$cuda_include" -c "$source_dir/$file" -o "$object" ;;
    *)
      "$nvcc" -x cu -std=c++20 --extended-lambda -arch=sm_90 -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror \
        $includes -c "$source_dir/$file" -o "$object" ;;
  esac && echo "compiled $file"
}
export -f compile
printf '%s\n' "$@" | xargs -P 2 -I{} bash -c 'compile {}'
