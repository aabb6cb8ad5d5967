#!/usr/bin/env bash
# First on a new machine with GPUs: does everything work, and how fast is it?  Writes one report.
set -uo pipefail

help() {
  cat <<TEXT
usage: jobs/gpu_acceptance.sh [--out FILE] [--build DIR] [--no-build] [--quick]

Builds the preset cuda for the GPUs that are there, runs the tests on them (those of several ranks as far as each rank
has a GPU of its own), compares gradients and optimiser steps with all golden files, looks for wrong memory accesses and
races with compute-sanitizer, and times kernels beside their limits, steps of the paper's ladder by every rule, and those of
small models with and without CUDA graphs. Golden files, kernels and steps in f32 and in bf16.
All parts run even if one fails; the exit code is 0 only if none did, 6 without a GPU.
  --out FILE   the report (default: results/gpu_acceptance.md); whole outputs lie beside it in FILE.logs/
  --build DIR  another build folder than build/cuda
  --no-build   test what is built
  --quick      one size of model, and compute-sanitizer on attention and on what is stored in bf16 alone
TEXT
}

out=results/gpu_acceptance.md build=build/cuda do_build=yes quick=no
while (($#)); do
  case $1 in
    --out) out=$(realpath -m "${2:?--out wants a file}"); shift ;;
    --build) build=$(realpath -m "${2:?--build wants a folder}"); shift ;;
    --no-build) do_build=no ;;
    --quick) quick=yes ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU')
if ((gpus == 0)); then
  echo "gpu_acceptance.sh: nvidia-smi shows no GPU here; ask the scheduler for one (one is enough, four run all tests)" >&2
  exit 6
fi
logs=$out.logs
mkdir -p "$logs" && rm -f "$logs"/*_f32.json "$logs"/*_bf16.json || exit 2  # an earlier time's measurements
program=$build/bin/dfascale
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
precisions=(f32 bf16)
table="" failed=0

note() {  # note NAME RESULT SECONDS REMARK
  table+="| $1 | $2 | $3 | $4 |"$'\n'
  printf '%-34s %-7s %5s s  %s\n' "$1" "$2" "$3" "$4"
}

# part NAME COMMAND...: runs it, keeps its output, notes how it ended.
part() {
  local name=$1 start=$SECONDS log=$logs/${1//[^A-Za-z0-9.]/_}.txt code=0
  shift
  echo "$*" >"$log"
  "$@" >>"$log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then
    note "$name" passed $((SECONDS - start)) "\`$(tail -n 1 "$log" | tr -d '|`' | cut -c1-120)\`"
  else
    note "$name" FAILED $((SECONDS - start)) "exit $code: \`$(tail -n 1 "$log" | tr -d '|`' | cut -c1-120)\`"
    failed=$((failed + 1))
  fi
  return $code
}

build_all() {
  local architectures
  architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d . | sort -u | paste -sd ';')
  cmake --preset cuda -B "$build" -DCMAKE_CUDA_ARCHITECTURES="$architectures" &&
    cmake --build "$build" --parallel
}

# Tests of as many ranks as there are GPUs, at most; the scripts of the labels mpi, fault and e2e start four.
run_tests() {
  local labels='unit|kernel|golden' beyond
  beyond="np($(seq -s '|' $((gpus + 1)) 16)|17)\$"
  ((gpus < 4)) || labels='unit|kernel|golden|mpi|fault|e2e'
  ((gpus >= 4)) || beyond+='|golden.verify'
  ctest --test-dir "$build" --no-tests=error --output-on-failure --label-regex "^($labels)$" --exclude-regex "$beyond"
}

sanitize() {  # sanitize TOOL TEST
  compute-sanitizer --tool "$1" --error-exitcode 9 "$build/bin/test_kernel_$2"
}

# bench NAME DECK PRECISION RANKS OPTION...: figures also as JSON
bench() {
  local name=$1 deck=$2 precision=$3 ranks=$4
  shift 4
  mpirun -n "$ranks" "$program" bench step "inputs/$deck.toml" --json "$logs/${name}_$precision.json" \
    --set model.vocab=51200 --set optim.precision="$precision" "$@"
}

[[ $do_build == no ]] || part "build" build_all || { echo "gpu_acceptance.sh: see $logs/build.txt" >&2; exit 1; }
part "tests" run_tests
for precision in "${precisions[@]}"; do
  for golden in tests/golden/*.h5; do
    part "verify $(basename "$golden" .h5), $precision" "$program" verify "$golden" --precision "$precision"
  done
done

part "graphs" mpirun -n $((gpus > 1 ? 2 : 1)) "$build/bin/test_replay"

if command -v compute-sanitizer >/dev/null; then
  tests=(attention real)
  [[ $quick == yes ]] || tests=(activation adam attention embed gemm loss norm real reduce residual)
  for name in "${tests[@]}"; do
    part "memcheck $name" sanitize memcheck "$name"
    part "racecheck $name" sanitize racecheck "$name"
  done
else
  note "compute-sanitizer" skipped 0 "not installed: it comes with the CUDA Toolkit"
fi

decks=(57m 100m 180m 310m 509m)
[[ $quick == no ]] || decks=(57m)
for precision in "${precisions[@]}"; do
  part "kernels 57m, $precision" "$program" bench kernels inputs/57m.toml --set optim.precision="$precision" \
    --set optim.batch_sequences=16 --set parallel.micro_batches=1
  for deck in "${decks[@]}"; do
    part "bench $deck, $precision" bench "bench_$deck" "$deck" "$precision" 1 --rule all \
      --set optim.batch_sequences=16 --set parallel.micro_batches=1
  done
  # Where launches cost most: little work in each.
  for deck in tiny 57m; do
    for graphs in true false; do
      part "bench $deck, graphs $graphs, $precision" bench "${deck}_graphs_$graphs" "$deck" "$precision" 1 --rule all \
        --set run.graphs=$graphs --set optim.batch_sequences=2 --set parallel.micro_batches=1
    done
  done
  ((gpus > 1)) || continue
  for schedule in 1f1b unlocked; do
    part "bench 57m, $schedule, $precision" bench "schedule_$schedule" 57m "$precision" "$gpus" --rule dfa \
      --set parallel.pp="$gpus" --set parallel.schedule=$schedule --set optim.clip=block \
      --set optim.batch_sequences=$((8 * gpus)) --set parallel.micro_batches=$((2 * gpus))
  done
done
if ((gpus == 1)); then
  note "1F1B against unlocked" skipped 0 "needs two GPUs"
fi

# Rate, and the share of the best matrix product that was measured.
speed_rows() {
  python3 - "$logs"/*.json <<'PYTHON'
import json, sys
for path in sys.argv[1:]:
    report = json.load(open(path))
    precision, peak = report["precision"], report["peak_flops"]["per_rank"]
    name = path.rsplit("/", 1)[-1].removesuffix(f"_{precision}.json")
    for rule in report["rules"]:
        print(f"| {name} | {precision} | {rule['rule']} | {rule['median_seconds']:.4f} | {rule['tokens_per_second']:.0f} | "
              f"{100 * rule['mfu']:.1f} % | {peak / 1e12:.1f} |")
PYTHON
}

{
  echo "# GPU acceptance"
  echo
  echo "$(date -u +%Y-%m-%dT%H:%MZ), $(uname -n), revision $(git describe --always --dirty 2>/dev/null || echo unknown)."
  echo
  nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader | sed 's/^/- GPU /'
  "$program" --version | sed 's/^/- /'
  echo
  echo "| part | result | seconds | last line |"
  echo "|---|---|---|---|"
  printf '%s' "$table"
  echo
  echo "Times of a step and MFU against the best matrix product of that precision measured beside it; parts of a step are in the logs."
  echo
  echo "| bench | precision | rule | seconds a step | tokens/s | MFU | best product, TFLOP/s a GPU |"
  echo "|---|---|---|---|---|---|---|"
  speed_rows
} >"$out"
echo "report: $out"
((failed == 0)) || { echo "gpu_acceptance.sh: $failed part(s) failed" >&2; exit 1; }
