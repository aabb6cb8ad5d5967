#!/usr/bin/env bash
# Does bf16 train as f32 does?  Loss curves of every rule in both, side by side.
set -euo pipefail

help() {
  cat <<TEXT
usage: jobs/precision.sh DECK --data CORPUS [--steps N] [--out DIR] [--set KEY=VALUE]...

Trains DECK on CORPUS (made by dfascale prepare) for N steps (default 1000) under bp, dfa, dfa-canonical and shallow, each
in f32 and bf16 with all else equal, and prints for each rule the largest relative difference of the validation loss at
any of its points and of the training loss averaged over 20 steps. The exit code is 0 only if all are at most 0.5 %.
Beside it stands what another order of sums does to f32: the same run in two micro-batches. Where that is as much, the
deck amplifies rounding, and no precision would pass: another seed or a larger init_std may help.
Runs that are done already are not repeated. Ranks: MPIRUN="mpirun -n 2" jobs/precision.sh ...
  --out DIR         runs (default: runs/precision)
  --set KEY=VALUE   wins over the deck; repeatable
TEXT
}

deck="" data="" steps=1000 out=runs/precision more=()
while (($#)); do
  case $1 in
    --data) data=${2:?--data wants a folder}; shift ;;
    --steps) steps=${2:?--steps wants a number}; shift ;;
    --out) out=${2:?--out wants a folder}; shift ;;
    --set) more+=(--set "${2:?--set wants KEY=VALUE}"); shift ;;
    --help | -h) help; exit 0 ;;
    -*) help >&2; exit 2 ;;
    *) deck=$1 ;;
  esac
  shift
done
[[ -n $deck && -n $data ]] || { help >&2; exit 2; }
jobs=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
source "$jobs/programs.sh"
dfascale=$(find_program dfascale "$jobs") || exit 2

# value KEY: of the deck as resolved with the options above.
resolved=$("$dfascale" deck "$deck" --set data.train="$data" "${more[@]}")
value() { sed -nE "s/^$1 = ([0-9]+).*/\1/p" <<<"$resolved" | head -1; }
tokens=$((steps * $(value batch_sequences) * $(value context)))

run() {  # run RULE NAME OPTION...
  ${MPIRUN:-} "$dfascale" train "$deck" --set data.train="$data" "${more[@]}" --set rule.name="$1" "${@:3}" \
    --set optim.tokens=$tokens --set run.dir="$out" --set run.name="$1-$2"
}
for rule in bp dfa dfa-canonical shallow; do
  run $rule f32
  run $rule bf16 --set optim.precision=bf16
  run $rule other --set parallel.micro_batches=$((2 * $(value micro_batches)))
done

python3 - "$out" <<'PYTHON'
import csv
import sys

WINDOW, ALLOWED = 20, 0.005


def column(run, name):
    with open(f"{sys.argv[1]}/{run}/metrics.csv", encoding="utf-8") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def means(losses):
    count = max(1, len(losses) // WINDOW)
    return [sum(losses[i * WINDOW:(i + 1) * WINDOW]) / len(losses[i * WINDOW:(i + 1) * WINDOW]) for i in range(count)]


def worst(ours, theirs):
    return max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))


def differences(run, exact):
    """Of validation losses, and of training losses."""
    return worst(column(run, "val_loss"), column(exact, "val_loss")), worst(means(column(run, "train_loss")), means(column(exact, "train_loss")))


failed = False
print(f"{'':<15}{'bf16 from f32':>24}{'f32 in another order':>24}{'last f32':>11}{'last bf16':>11}")
print(f"{'rule':<15}{'validation':>12}{'training':>12}{'validation':>12}{'training':>12}")
for rule in ("bp", "dfa", "dfa-canonical", "shallow"):
    exact, half = f"{rule}-f32", f"{rule}-bf16"
    rounded, other = differences(half, exact), differences(f"{rule}-other", exact)
    failed |= not max(rounded) <= ALLOWED
    shown = "".join(f"{difference:>12.3%}" for difference in (*rounded, *other))
    print(f"{rule:<15}{shown}{column(exact, 'val_loss')[-1]:>11.4f}{column(half, 'val_loss')[-1]:>11.4f}")
sys.exit(failed)
PYTHON
