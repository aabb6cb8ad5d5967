#!/usr/bin/env bash
# Lets every fuzzing target run for a while, under AddressSanitizer and UBSan.
set -uo pipefail
unset CDPATH
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../.." || exit 2

help() {
  cat <<TEXT
usage: tests/fuzz/run.sh SECONDS [TARGET...]

Builds the targets (preset fuzz: clang with libFuzzer), then runs them one after another, SECONDS each, from small good files
(tests/fuzz/seeds.py) and from what earlier runs have found to reach more code (build/fuzz/corpora). Prints for each how many
inputs were tried, how many places of the program they reached, and its findings, which lie in build/fuzz/findings; an input
of more than 10 seconds or 2 GiB is one. The exit code is 0 only if there are none. Targets: $(targets | tr '\n' ' ')
Again with one input: build/fuzz/bin/fuzz_TARGET FILE
TEXT
}

targets() { sed -n 's/^dfascale_fuzz(\([a-z]*\).*/\1/p' tests/fuzz/CMakeLists.txt; }

case ${1:-} in
  --help | -h) help; exit 0 ;;
  "" | *[!0-9]*) help >&2; exit 2 ;;
esac
seconds=$1
shift
if (($# == 0)); then mapfile -t chosen < <(targets); else chosen=("$@"); fi

for program in clang++ python3; do
  command -v "$program" >/dev/null || { echo "run.sh: $program is not installed (Debian: clang, libclang-rt-14-dev, libomp-dev)" >&2; exit 2; }
done
cmake --preset fuzz >/dev/null && cmake --build --preset fuzz --target "${chosen[@]/#/fuzz_}" || exit 2
findings=build/fuzz/findings corpora=build/fuzz/corpora seeds=build/fuzz/seeds
mkdir -p "$findings" && rm -rf "$seeds" && python3 -B tests/fuzz/seeds.py . "$seeds" || exit 2

# What MPI and HDF5 keep until the process ends is theirs.
export LSAN_OPTIONS="suppressions='$PWD/tests/leaks.supp':print_suppressions=0" OMP_NUM_THREADS=1
failed=0
printf '%-12s %12s %10s %9s  %s\n' target inputs places "per second" findings
for target in "${chosen[@]}"; do
  log=build/fuzz/$target.log words=()
  mkdir -p "$corpora/$target"
  case $target in deck | study | machine) words=(-dict="$seeds/toml.dict") ;; esac
  status=0
  "build/fuzz/bin/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$findings/$target-" "${words[@]}" "$corpora/$target" "$seeds/$target" >"$log" 2>&1 || status=$?
  found=none
  if ((status != 0)); then
    failed=$((failed + 1))
    found="exit $status: $(grep -m 1 -E 'ERROR:|runtime error:|SUMMARY:' "$log" | cut -c1-120), see $log"
  fi
  printf '%-12s %12s %10s %9s  %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | tr -dc 0-9)" "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")" "$found"
done
((failed == 0))
