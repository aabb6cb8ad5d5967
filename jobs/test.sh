#!/usr/bin/env bash
# Builds everything and runs every test: the README's second command, and what CI runs (.ci/run).
set -uo pipefail
unset CDPATH
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." || exit 2

help() {
  cat <<TEXT
usage: jobs/test.sh [--full] [--no-install] [--jobs N] [--tidy-seconds S] [--target NAME]... [-- OPTION OF CTEST...]

Stages: install (cmake/install-dependencies.sh --for-tests), scripts (shellcheck), format (clang-format), build (preset
release), tests (ctest, all labels). All run even if one fails; the exit code is 0 only if all pass, and where no test runs
it is not 0. The last output is ctest's summary.
  --full            also asan (AddressSanitizer and UBSan over the unit, kernel and golden tests) and tidy (clang-tidy)
  --no-install      leave the system's packages alone
  --jobs N          compilers and tests at a time (default: one for each core)
  --tidy-seconds S  how long clang-tidy may take, files changed last first (default 120; 0: as long as it needs)
  --target NAME     build this instead of everything; repeatable. With -- it tries a part:
                    jobs/test.sh --target test_rate -- --tests-regex unit.rate
With CI set in the environment warnings are errors. With ccache installed the compiler's results are kept. Before or after
jobs/quickstart.sh: each takes over what the other has compiled (with CI set for both or for none).
TEXT
}

full=no install=yes jobs=$(env -u OMP_NUM_THREADS nproc) tidy_seconds=120 targets=() chosen=()
while (($#)); do
  case $1 in
    --full) full=yes ;;
    --no-install) install=no ;;
    --jobs) jobs=${2:?--jobs wants a number}; shift ;;
    --tidy-seconds) tidy_seconds=${2:?--tidy-seconds wants a number}; shift ;;
    --target) targets+=(--target "${2:?--target wants a name}"); shift ;;
    --) shift; chosen=("$@"); break ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done
if [[ ! -e CMakeLists.txt ]]; then
  echo "jobs/test.sh: $PWD is not dfascale's source folder: this script builds the program, so it runs where the source is" >&2
  exit 2
fi
source jobs/build_lib.sh
source tests/support/sources.sh

# Open MPI refuses to run as root, as containers do, unless told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export CTEST_OUTPUT_ON_FAILURE=1

failed=()
table=""
stage() {
  local name=$1 begun=$SECONDS result=passed
  echo "=== $name"
  "stage_$name" </dev/null || { result=FAILED; failed+=("$name"); }
  table+=$(printf '%-8s %-6s %5d s' "$name" "$result" $((SECONDS - begun)))$'\n'
  [[ $result == passed ]]
}

stage_install() { cmake/install-dependencies.sh --for-tests; }

# need PROGRAM: says how to get one that is missing.
need() {
  command -v "$1" >/dev/null && return
  echo "$1 is not installed: cmake/install-dependencies.sh --for-tests"
  return 1
}

stage_scripts() { need shellcheck && source_files '*.sh' .ci/run | xargs -0 shellcheck --severity=warning; }

stage_format() { need clang-format && source_files '*.cpp' '*.hpp' '*.cu' | xargs -0 clang-format --dry-run --Werror; }

stage_build() {
  configure_release -DDFASCALE_TESTS=ON && cmake --build --preset release --parallel "$jobs" "${targets[@]}"
}

# Only what its three labels need is built.
stage_asan() {
  cmake --preset asan ${CI:+-DDFASCALE_WERROR=ON} &&
    cmake --build --preset asan --parallel "$jobs" --target tests_unit tests_kernel tests_golden &&
    ctest --preset asan --no-tests=error --parallel "$jobs" --label-regex '^(unit|kernel|golden)$' --exclude-regex cuda_program
}

# Checks one file unless the time is up; the list of checked files is the record.
tidy_one() {  # tidy_one DEADLINE FILE; DEADLINE in seconds of the epoch, 0: none
  (($1 == 0 || $(date +%s) < $1)) || return 0
  clang-tidy --quiet -p build/release "$2" 2>/dev/null && echo "$2" >>build/tidy/clean
}
export -f tidy_one

# Files of the last commits first, until the time is up.
stage_tidy() {
  local deadline=$((tidy_seconds > 0 ? $(date +%s) + tidy_seconds : 0)) result
  rm -rf build/tidy && mkdir -p build/tidy && : >build/tidy/clean
  { if is_checkout; then git -c safe.directory="$PWD" log -20 --name-only --format= -- '*.cpp'; fi
    source_files '*.cpp' | tr '\0' '\n'; } |
    grep -E '^(src|kernels|analysis)/' | awk '!seen[$0]++' | while read -r file; do
      if grep -qF "\"file\": \"$PWD/$file\"" build/release/compile_commands.json; then echo "$file"; fi
    done >build/tidy/files
  # shellcheck disable=SC2016  # the inner shell expands its arguments
  xargs --delimiter '\n' --max-procs "$jobs" --max-args 1 bash -c 'tidy_one "$1" "$2"' tidy "$deadline" <build/tidy/files
  result=$?
  echo "clang-tidy: $(wc -l <build/tidy/clean) of $(wc -l <build/tidy/files) files checked and clean"
  return $result
}

stage_tests() { ctest --preset release --no-tests=error --parallel "$jobs" "${chosen[@]}"; }

is_checkout || echo "jobs/test.sh: no git checkout: scripts and format look at whatever lies in this folder"
[[ $install == no ]] || stage install || exit 1
stage scripts
stage format
stage build || { printf '%s' "$table"; exit 1; }
if [[ $full == yes ]]; then
  stage asan
  stage tidy
fi
echo "$table"
stage tests
if ((${#failed[@]})); then
  echo "jobs/test.sh: failed: ${failed[*]}"
  exit 1
fi
