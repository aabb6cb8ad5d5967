#!/usr/bin/env bash
# usage: arrays_on_gpus.sh PROGRAM MPIEXEC
# Runs the tests of arrays over NCCL, a rank on each GPU (at most four).  Without a GPU the program must say so in one
# line and exit 6.
set -uo pipefail
program=$1 mpiexec=$2

gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU')
if ((gpus > 0)); then
  exec "$mpiexec" -n "$((gpus < 4 ? gpus : 4))" --oversubscribe "$program"
fi
said=$("$program" 2>&1)
code=$?
echo "$said"
if ((code == 6)) && [[ $said == *"dfascale: no GPU on this node"* && $(grep -c dfascale: <<<"$said") == 1 ]]; then
  echo "compiled and linked with NCCL and CUDA; not run: this machine has no GPU"
  exit 0
fi
echo "arrays_on_gpus.sh: expected \"no GPU on this node\" in one line and exit code 6, not $code"
exit 1
