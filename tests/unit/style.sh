#!/usr/bin/env bash
# What no compiler checks: which library is called where, sizes of files, and what no file may hold.
# usage: style.sh SOURCE; names every line that breaks a rule, exits 1 if there is one.
set -uo pipefail
cd "$1" || exit 2
source tests/support/sources.sh

broken=0
tell() {  # tell RULE LINES
  [[ -n $2 ]] || return 0
  printf '%s:\n%s\n' "$1" "$2"
  broken=1
}
# lines OPTIONS PATTERN FILES...: lines of those of the project's files that match.
lines() { source_files "${@:3}" | xargs -0 grep "$1" -e "$2" /dev/null || true; }
# Lines of the product's C++ that match a pattern, outside the files that may.
product() { lines -nE "$1" 'src/*.[ch]pp' 'kernels/*.[ch]pp' 'analysis/*.[ch]pp' | grep -vE "^($2)" || true; }

tell "MPI is called only in src/comm and where io opens files" \
  "$(product '\<MPI_[A-Z][A-Za-z_]+' 'src/comm/|src/io/hdf5\.cpp|src/io/ranks_mpi\.cpp')"
tell "Kokkos is used only in kernels/launch and kernels/device" "$(product 'Kokkos::' 'kernels/launch|kernels/device')"
tell "matrix libraries are called only in kernels/gemm_*" "$(product '\<(dnnl::|dnnl_[a-z]|cublas[A-Z])' 'kernels/gemm_')"
tell "the TOML library is included only by src/deck/toml.hpp" "$(product 'toml\+\+/' 'src/deck/toml\.hpp')"
tell "NCCL is called only in src/comm/nccl*" "$(product '\<nccl[A-Z][A-Za-z]+\(' 'src/comm/nccl')"
tell "CUDA is called only in kernels' and NCCL's own files" \
  "$(product '\<cuda[A-Z][A-Za-z0-9]+\(' 'kernels/(cuda/|launch/|device_cuda|gemm_cublaslt)|src/comm/nccl')"
tell "only main ends the program; below it errors are thrown" \
  "$(product '(^|[^._A-Za-z>])(std::)?(exit|abort|quick_exit|terminate)\(' 'src/main\.cpp|analysis/main\.cpp')"
tell "no fast-math: results stay those of the written order" "$(lines -n '-ffast-math' '*CMakeLists.txt' '*.cmake' '*.json' | grep -v '# ' || true)"
tell "a header begins by saying what it holds" "$(source_files '*.hpp' | while read -rd '' file; do
  [[ $(head -c 3 "$file") == "// " ]] || echo "$file"
done)"
tell "files have at most 500 lines" "$(source_files '*.cpp' '*.hpp' '*.py' '*.sh' '*.cmake' '*CMakeLists.txt' |
  xargs -0 wc -l | awk '$1 > 500 && $2 != "total"')"
# The brackets keep this file from finding itself.
tell "no paths of the machines it was written on" "$(lines -nIE '(^|[^A-Za-z0-9_.}])/(wor[k]|hom[e]|roo[t]|Users)/' '*')"
tell "nothing is left to do" "$(lines -nIE '\<(TOD[O]|FIXM[E]|XX[X])\>' '*')"
tell "no tabs, no blanks at line ends" \
  "$(lines -nIE $'\t|[ \t]+$' '*.cpp' '*.hpp' '*.py' '*.sh' '*.cmake' '*CMakeLists.txt' '*.toml')"
exit $broken
