#!/usr/bin/env bash
# usage: gpu_acceptance.sh SOURCE
# jobs/gpu_acceptance.sh over stand-ins for GPUs, compilers, tests and the program: what it starts, and that a part that
# fails is in the report and in the exit code.
set -euo pipefail
script=$1/jobs/gpu_acceptance.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/build/bin"

stand_in() {  # stand_in FILE: the script comes on stdin
  { echo '#!/usr/bin/env bash'; cat; } >"$1"
  chmod +x "$1"
}
stand_in "$work/bin/nvidia-smi" <<'TEXT'
case $* in
  -L) for ((i = 0; i < FAKE_GPUS; ++i)); do echo "GPU $i: Fake (UUID: $i)"; done ;;
  *compute_cap*) echo 9.0 ;;
  *) echo "0, Fake, 1.0, 80 GiB" ;;
esac
TEXT
for tool in cmake ctest; do
  stand_in "$work/bin/$tool" <<TEXT
echo "$tool \$*" >>"$work/calls"
TEXT
done
stand_in "$work/bin/mpirun" <<'TEXT'
shift 2
exec "$@"
TEXT
stand_in "$work/bin/compute-sanitizer" <<'TEXT'
echo "ERROR SUMMARY: 0 errors"
TEXT
stand_in "$work/build/bin/dfascale" <<'TEXT'
case $1 in
  verify) echo "$2 $3 $4: all variants pass"; [[ "$2 $4" != *"${FAKE_FAILING:-nothing}" ]] ;;
  bench)
    [[ $2 == step ]] || { echo "a table of $2"; exit; }
    for word in "$@"; do [[ $word != optim.precision=* ]] || precision=${word#*=}; done
    while [[ $1 != --json ]]; do shift; done
    rate=4e14 && [[ $precision == bf16 ]] || rate=5e13
    echo "{\"precision\": \"$precision\", \"peak_flops\": {\"per_rank\": $rate}, \"rules\":
      [{\"rule\": \"bp\", \"median_seconds\": 0.25, \"tokens_per_second\": 1000, \"mfu\": 0.5}]}" >"$2" ;;
  *) echo "dfascale 1" ;;
esac
TEXT

stand_in "$work/build/bin/test_replay" <<'TEXT'
echo "[  PASSED  ] 3 tests."
TEXT

failed=0
expect() {  # expect CODE GPUS TEXT...: how the script ends, and what is in its report, calls or words
  local code=0 want=$1 text
  rm -rf "$work/calls" "$work"/report*
  FAKE_GPUS=$2 PATH=$work/bin:$PATH "$script" --build "$work/build" --out "$work/report.md" >"$work/said" 2>&1 || code=$?
  if ((code != want)); then
    echo "$2 GPUs: exit code $code instead of $want"
    failed=1
  fi
  for text in "${@:3}"; do
    grep -qF -e "$text" "$work/said" "$work/report.md" "$work/calls" 2>/dev/null && continue
    printf '%s GPUs: "%s" is nowhere in\n' "$2" "$text"
    cat "$work/said" "$work/report.md" "$work/calls" 2>/dev/null
    failed=1
  done
}
expect 6 0 "nvidia-smi shows no GPU here"
expect 0 1 "-DCMAKE_CUDA_ARCHITECTURES=90" "--label-regex ^(unit|kernel|golden)\$" "--exclude-regex np(2|3|4" \
  "| verify tied_l3, f32 | passed |" "tied_l3.h5 --precision bf16: all variants pass" "| racecheck real | passed |" \
  "| bench_509m | f32 | bp | 0.2500 | 1000 | 50.0 % | 50.0 |" "| bench_509m | bf16 | bp | 0.2500 | 1000 | 50.0 % | 400.0 |" \
  "| kernels 57m, bf16 | passed |" "| graphs | passed |" "| tiny_graphs_true | f32 | bp |" "| tiny_graphs_false | bf16 | bp |" \
  "| 1F1B against unlocked | skipped |"
expect 0 4 "^(unit|kernel|golden|mpi|fault|e2e)\$" "--exclude-regex np(5|6" "| schedule_unlocked | bf16 | bp |"
export FAKE_FAILING="tied_l3.h5 bf16"
expect 1 1 "| verify tied_l3, bf16 | FAILED |" "| verify tied_l3, f32 | passed |" "1 part(s) failed"
exit $failed
