#!/usr/bin/env bash
# From nothing to a scaling law: the README's first command.
set -euo pipefail
unset CDPATH

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
With CI set in the environment warnings of the compiler are errors, as for jobs/test.sh.
TEXT
}

die() { echo "quickstart: $*" >&2; exit 2; }

install=yes out="" study="" debs=()
while (($#)); do
  case $1 in
    --no-install) install=no ;;
    --out) out=$(realpath -m -- "${2:?--out wants a folder}"); shift ;;
    --study) study=$(realpath -e -- "${2:?--study wants a file}") || exit 2; shift ;;
    --debs) debs=(--debs "$(realpath -e -- "${2:?--debs wants a folder}")") || exit 2; shift ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done

cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
[[ -e CMakeLists.txt ]] || die "$PWD is not dfascale's source folder: this script builds the program, so it runs where the source is"
source jobs/build_lib.sh
out=${out:-$PWD/results/quickstart}
study=${study:-inputs/quickstart.toml}
# Known before an hour's work rather than after it.
for folder in build data "$out"; do
  { mkdir -p "$folder" && : >"$folder/.writable" && rm "$folder/.writable"; } ||
    die "cannot write in the folder $folder: is it yours, and is the disk full? Results go elsewhere with --out DIR"
done
begin=$SECONDS
phases=()
stopped=no

# guard COMMAND...: runs it; TERM, INT and HUP reach it as TERM, upon which the program writes checkpoints and ends with 75.
guard() {
  local child status signalled
  "$@" &
  child=$!
  trap 'signalled=yes stopped=yes; kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
  while :; do
    signalled=no status=0
    wait "$child" || status=$?
    [[ $signalled == yes ]] || break  # else only the waiting was interrupted
  done
  trap - TERM INT HUP
  return "$status"
}

# phase NAME COMMAND...: runs it, and notes how long it took.
phase() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  "$@" || status=$?
  if [[ $stopped == yes ]] || ((status == 75)); then
    echo "quickstart: stopped; the same command goes on where it stopped" >&2
    exit 75
  elif ((status != 0)); then
    echo "quickstart: '$name' failed (exit $status); the same command starts again from there" >&2
    exit "$status"
  fi
  phases+=("$(printf '%-10s %4d s' "$name" $((SECONDS - start)))")
}

# The tests are left out of a new build folder, since what they need is not installed; one that has them keeps them.
# Not by `cmake --build`, which would leave Ninja running where it is stopped.
build() {
  local options=()
  is_configured || options+=(-DDFASCALE_TESTS=OFF)
  configure_release "${options[@]}" || return
  exec "$(sed -n 's/^CMAKE_MAKE_PROGRAM:[A-Z]*=//p' build/release/CMakeCache.txt)" -C build/release dfascale dfascale-fit
}

corpus() {
  inputs/corpus.sh "${debs[@]}" data/text || return
  if [[ ! -s data/quickstart/corpus.json ]]; then
    exec build/release/bin/dfascale prepare --train data/text/train.txt --valid data/text/valid.txt \
      --vocab 1024 --out data/quickstart
  fi
}

# Validation loss against exact FLOP: the one accounting that also counts what a rule leaves out.
fit() {
  exec build/release/bin/dfascale-fit "$out/runs" --out "$out" --loss val --accounting exact
}

# Without guard, so that sudo can ask for a password.
[[ $install == no ]] || phase install cmake/install-dependencies.sh
phase build guard build
phase corpus guard corpus
phase train guard build/release/bin/dfascale study "$study" --set study.dir="$out"
phase fit guard fit

echo
cat "$out/table1.md"
echo
printf '%s\n' "${phases[@]}" "$(printf '%-10s %4d s' total $((SECONDS - begin)))" | tee "$out/phases.txt"
echo "Results: $out/report.md, $out/table1.md, $out/fig3_frontier.png"
