#!/usr/bin/env bash
# Does every layout train as one rank does?  The full sweep, of which the tests take a part.
set -uo pipefail

help() {
  cat <<TEXT
usage: jobs/layout_sweep.sh [--no-build] [--ranks "1 2 3 4"]

Trains a small model for 20 steps on every layout of so many ranks (replicas x stages; balanced, uneven and with the
head alone), under every rule, schedule, clip, ZeRO 0 and 1, tied and untied, and compares the losses with those of one
rank: 1e-5 relative over the first 10 steps, 1e-4 over the next 10. Prints a row for each; the exit code is 0 only if
all agree. Takes minutes.
  --no-build   use the program as it is
  --ranks LIST launch these numbers of ranks (default: "1 2 3 4")
TEXT
}

build=yes ranks="1 2 3 4"
while (($#)); do
  case $1 in
    --no-build) build=no ;;
    --ranks) ranks=${2:?--ranks wants a list}; shift ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
if [[ $build == yes ]]; then
  { cmake --preset release && cmake --build --preset release --target layout_sweep; } >&2 || exit 2
fi

# Open MPI refuses to run as root, as containers do, unless told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
sweep=$(find build/release -name layout_sweep -type f -perm -u+x | head -1)
[[ -n $sweep ]] || { echo "layout_sweep.sh: build it first: cmake --build --preset release --target layout_sweep" >&2; exit 2; }

printf '%-6s %-14s %-12s %-9s %4s %-7s %-7s %3s %10s %10s\n' \
  layout rule schedule split zero matrix clip M "10 steps" "20 steps"
failed=()
for n in $ranks; do
  mpirun -n "$n" --oversubscribe --mca mpi_yield_when_idle 1 "$sweep" || failed+=("$n")
done
if ((${#failed[@]})); then
  echo "layout_sweep.sh: losses disagree, or a launch failed, on ${failed[*]} rank(s)"
  exit 1
fi
echo "layout_sweep.sh: all layouts agree with one rank"
