#!/usr/bin/env bash
# A study's results in a form that can be kept: its finished runs in one compressed file, and what follows from them.
set -euo pipefail

help() {
  cat <<TEXT
usage: jobs/study_results.sh pack STUDY RESULTS       finished runs and searches of a study's folder into RESULTS/runs.tar.xz
       jobs/study_results.sh unpack RESULTS STUDY     and back; \`dfascale study\` then trains only what is missing
       jobs/study_results.sh fit RESULTS [OPTION...]  fit, tables and figures from RESULTS/runs.tar.xz, by dfascale-fit

Kept of a run are its deck, record, metrics and alignment, of a search's deck and record; no checkpoints. Packing again
adds what has been finished since.
TEXT
}

die() { echo "study_results.sh: $*" >&2; exit 2; }

# Folders of runs that are done or have diverged, relative to STUDY.
finished() {
  local record
  for record in "$1"/{runs,search}/*/run.json; do
    [[ -e $record ]] || continue
    if [[ -e ${record%/*}/diverged.txt ]] || grep -q '"outcome": "done"' "$record"; then
      record=${record%/*}
      echo "${record#"$1"/}"
    fi
  done
}

pack() {
  local study=$1 results=$2 run list
  list=$(mktemp)
  trap 'rm -f "$list"' RETURN
  while read -r run; do
    for file in deck.toml run.json metrics.csv diverged.txt alignment.csv; do
      if [[ -e $study/$run/$file && $run/$file != search/*.csv ]]; then echo "$run/$file"; fi
    done
  done < <(finished "$study") | LC_ALL=C sort > "$list"
  [[ -s $list ]] || die "$study has no finished runs"
  mkdir -p "$results"
  # The same runs make the same bytes.
  tar --create --directory "$study" --files-from "$list" --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=644 |
    xz -9 > "$results/runs.tar.xz.part"
  mv "$results/runs.tar.xz.part" "$results/runs.tar.xz"
  echo "$(grep -c '^runs/.*run.json' "$list") runs and $(grep -c '^search/.*run.json' "$list") of searches: $results/runs.tar.xz, $(stat -c %s "$results/runs.tar.xz") bytes"
}

unpack() {
  [[ -s $1/runs.tar.xz ]] || die "there is no $1/runs.tar.xz"
  mkdir -p "$2"
  tar --extract --xz --file "$1/runs.tar.xz" --directory "$2" --skip-old-files
}

fit() {
  local results program=$PWD/build/release/bin/dfascale-fit folder
  results=$1
  shift
  [[ -x $program ]] || die "build it first: cmake --preset release && cmake --build --preset release --target dfascale-fit"
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  unpack "$results" "$folder"
  (cd "$folder" && "$program" runs --out "$results" "$@")
}

[[ ${1:-} != --help && ${1:-} != -h ]] || { help; exit 0; }
case ${1:-}:$# in
  pack:3) pack "$2" "$3" ;;
  unpack:3) unpack "$2" "$3" ;;
  fit:1) help >&2; exit 2 ;;
  fit:*)
    results=$(realpath "$2")
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    fit "$results" "${@:3}"
    ;;
  *) help >&2; exit 2 ;;
esac
