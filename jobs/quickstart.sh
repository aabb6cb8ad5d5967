#!/usr/bin/env bash
# From nothing to a scaling law: the README's first command.
set -euo pipefail

help() {
  cat <<TEXT
usage: jobs/quickstart.sh [--no-install] [--out DIR] [--study FILE] [--debs DIR]

Installs dependencies, builds, makes a corpus of English text, trains 5 sizes by backpropagation, DFA and in the last
block only, and fits the scaling law of each. At most 20 minutes on 2 cores; all cores are used. Interrupted, it goes
on where it stopped when called again. Results: DIR/table1.md, DIR/report.md, DIR/fig3_frontier.png and .svg.
  --no-install   leave the system's packages alone
  --out DIR      results (default: results/quickstart)
  --study FILE   other runs than inputs/quickstart.toml
  --debs DIR     look for the corpus' Debian packages here first
TEXT
}

install=yes out=results/quickstart study=inputs/quickstart.toml debs=()
while (($#)); do
  case $1 in
    --no-install) install=no ;;
    --out) out=$(realpath -m "${2:?--out wants a folder}"); shift ;;
    --study) study=$(realpath "${2:?--study wants a file}"); shift ;;
    --debs) debs=(--debs "$(realpath "${2:?--debs wants a folder}")"); shift ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
begin=$SECONDS
phases=()

# phase NAME COMMAND...: runs it, and notes how long it took.
phase() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  "$@" || status=$?
  if ((status == 75)); then
    echo "quickstart: stopped; the same command goes on where it stopped" >&2
    exit 75
  elif ((status != 0)); then
    echo "quickstart: '$name' failed (exit $status); the same command starts again from there" >&2
    exit "$status"
  fi
  phases+=("$(printf '%-10s %4d s' "$name" $((SECONDS - start)))")
}

build() {
  cmake --preset release -DDFASCALE_TESTS=OFF > build-configure.log 2>&1 || { cat build-configure.log >&2; return 1; }
  rm -f build-configure.log
  cmake --build --preset release --target dfascale dfascale-fit
}

corpus() {
  inputs/corpus.sh "${debs[@]}" data/text
  if [[ ! -s data/quickstart/corpus.json ]]; then
    build/release/bin/dfascale prepare --train data/text/train.txt --valid data/text/valid.txt \
      --vocab 1024 --out data/quickstart
  fi
}

# Validation loss against exact FLOP: the one accounting that also counts what a rule leaves out.
fit() {
  build/release/bin/dfascale-fit "$out/runs" --out "$out" --loss val --accounting exact
}

# TERM and INT reach the program that runs now; it writes checkpoints and ends with 75.
[[ $install == no ]] || phase install cmake/install-dependencies.sh
phase build build
phase corpus corpus
phase train build/release/bin/dfascale study "$study" --set study.dir="$out"
phase fit fit

echo
cat "$out/table1.md"
echo
printf '%s\n' "${phases[@]}" "$(printf '%-10s %4d s' total $((SECONDS - begin)))" | tee "$out/phases.txt"
echo "Results: $out/report.md, $out/table1.md, $out/fig3_frontier.png"
