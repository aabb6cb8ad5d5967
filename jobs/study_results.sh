#!/usr/bin/env bash
# A study's results in a form that can be kept: its finished runs in one compressed file, and what follows from them.
set -euo pipefail
unset CDPATH

help() {
  cat <<TEXT
usage: jobs/study_results.sh pack [--every N] STUDY RESULTS
                                                      finished runs and searches of a study's folder into RESULTS/runs.tar.xz
       jobs/study_results.sh unpack RESULTS STUDY     and back; \`dfascale study\` then trains only what is missing
       jobs/study_results.sh fit RESULTS [OPTION...]  fit, tables and figures from RESULTS/runs.tar.xz, by dfascale-fit;
                                                      without that file, from the one in the folder above: comparisons of
                                                      some methods each (--methods a,b,c) in folders of their own
       jobs/study_results.sh sweeps RESULTS           figures of what the searches tried: loss against learning rate

Kept of a run are its deck, record, metrics and alignment, of a search's no alignment; no checkpoints. Packing again
adds what has been finished since.
  --every N   of metrics.csv the steps with a validation, and of the others only multiples of N: fits of the validation loss
              find the same (but for rows counted as blank), in a tenth of the bytes with N = 16
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

pack() {  # pack STUDY RESULTS N
  local study=$1 results=$2 every=$3 run file to staged
  staged=$(mktemp -d)
  trap 'rm -rf "$staged"' RETURN
  while read -r run; do
    mkdir -p "$staged/$run"
    for file in deck.toml run.json metrics.csv diverged.txt alignment.csv; do
      to=$staged/$run/$file
      if [[ ! -e $study/$run/$file || $run/$file == search/*/alignment.csv ]]; then continue; fi
      if [[ $file == metrics.csv ]]; then thinned "$every" < "$study/$run/$file" > "$to"; else cp "$study/$run/$file" "$to"; fi
    done
  done < <(finished "$study")
  [[ -n $(ls "$staged") ]] || die "$study has no finished runs"
  mkdir -p "$results"
  # The same runs make the same bytes.
  (cd "$staged" && find . -type f -printf '%P\n' | LC_ALL=C sort) |
    tar --create --directory "$staged" --files-from - --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=644 |
    xz -9 > "$results/runs.tar.xz.part"
  mv "$results/runs.tar.xz.part" "$results/runs.tar.xz"
  echo "$(find "$staged/runs" -name run.json | wc -l) runs and $(find "$staged/search" -name run.json 2>/dev/null | wc -l) of searches: $results/runs.tar.xz, $(stat -c %s "$results/runs.tar.xz") bytes"
}

# Rows of metrics that are kept: the header, and by step and validation loss.
thinned() {
  awk -F, -v every="$1" 'NR == 1 { for (i = 1; i <= NF; ++i) at[$i] = i }
    NR == 1 || $at["val_loss"] != "" || $at["step"] % every == 0'
}

unpack() {
  [[ -s $1/runs.tar.xz ]] || die "there is no $1/runs.tar.xz"
  mkdir -p "$2"
  tar --extract --xz --file "$1/runs.tar.xz" --directory "$2" --skip-old-files
}

# analyse RUNS RESULTS OUT [OPTION...]: dfascale-fit on the packed folder RUNS (runs, search).
analyse() (
  program=$(find_program dfascale-fit "$jobs") || exit 2
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  unpack "$2" "$folder"
  cd "$folder"
  "$program" "$1" --out "$3" "${@:4}"
)

fit() {
  if [[ -s $1/runs.tar.xz ]]; then analyse runs "$1" "$@"; else analyse runs "${1%/*}" "$@"; fi
}

sweeps() (
  all=$(mktemp -d)
  trap 'rm -rf "$all"' EXIT
  analyse search "$1" "$all" --loss val --accounting exact --bootstrap 0 --no-surface > "$all/said"
  cp "$all"/learning_rate.* "$1/"
)

[[ ${1:-} != --help && ${1:-} != -h ]] || { help; exit 0; }
case ${1:-}:$# in
  pack:3) pack "$2" "$3" 1 ;;
  pack:5)
    [[ $2 == --every && $3 =~ ^[1-9][0-9]*$ ]] || { help >&2; exit 2; }
    pack "$4" "$5" "$3"
    ;;
  unpack:3) unpack "$2" "$3" ;;
  fit:1) help >&2; exit 2 ;;
  fit:* | sweeps:2)
    jobs=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
    source "$jobs/programs.sh"
    "$1" "$(realpath "$2")" "${@:3}"
    ;;
  *) help >&2; exit 2 ;;
esac
