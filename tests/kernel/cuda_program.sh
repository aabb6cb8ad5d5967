#!/usr/bin/env bash
# usage: cuda_program.sh SOURCE BUILD NVCC LAUNCHER [CMAKE_OPTION ...]
# Builds the whole program for GPUs with nvcc, every warning an error, and looks at what it holds. Needs no GPU;
# LAUNCHER (ccache, or empty) spares compiling again what the host build has compiled. Without a GPU the program must
# say so in one line and exit 6, and do all the same what needs none.
set -euo pipefail
source_dir=$1 build=$2 nvcc=$3 launcher=$4
shift 4

cmake -S "$source_dir" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DDFASCALE_CUDA=ON -DDFASCALE_TESTS=OFF \
  -DDFASCALE_WERROR=ON -DCMAKE_CUDA_COMPILER="$nvcc" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -DCMAKE_CUDA_COMPILER_LAUNCHER="$launcher" "$@" >"$build.configure.log" ||
  { cat "$build.configure.log"; exit 1; }
read -ra gpus < <(sed -n 's/^-- Kernels for \(.*\) over .*/\1/p' "$build.configure.log")
cmake --build "$build" --target dfascale --parallel 2

program=$build/bin/dfascale
python3 "$source_dir/tests/kernel/device_code.py" "$program" "$source_dir" "${gpus[@]#sm_}"
if ldd "$program" | grep -q "libcuda.so.1 => not found"; then  # Kokkos wants the driver; its stub in the Toolkit loads as well
  stub=$(sed -n 's/^CUDA_cuda_driver_LIBRARY:FILEPATH=//p' "$build/CMakeCache.txt")
  mkdir -p "$build/stub"
  ln -sf "$stub" "$build/stub/libcuda.so.1"
  export LD_LIBRARY_PATH=$build/stub${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

expect() {  # expect CODE TEXT ARGUMENT...: what the program says in all, and its exit code
  local code=0 said
  said=$("$program" "${@:3}" 2>&1) || code=$?
  if ((code != $1)) || [[ $said != *"$2"* ]]; then
    printf 'dfascale %s: expected "%s" and exit code %d, not %d:\n%s\n' "${*:3}" "$2" "$1" "$code" "$said"
    exit 1
  fi
  lines=$(grep -c '' <<<"$said")
}
expect 0 "cuBLASLt" --version
expect 0 "57708864" inspect "$source_dir/inputs/57m.toml" --set model.vocab=51200
expect 0 "workspace of matrix products      34.6 MB" inspect "$source_dir/inputs/57m.toml" --set optim.precision=bf16
expect 0 "" deck "$source_dir/inputs/tiny.toml"
if nvidia-smi -L >/dev/null 2>&1; then
  expect 0 "variants pass" verify "$source_dir/tests/golden/tied_l1.h5"
  exit 0
fi
expect 0 "no GPU here" --version
expect 6 "dfascale: no GPU on this node: use a host build" verify "$source_dir/tests/golden/tied_l1.h5"
if ((lines != 1)); then
  echo "expected one line without a GPU, not $lines"
  exit 1
fi
echo "compiled and linked; not run: this machine has no GPU"
