#!/usr/bin/env bash
# inputs/corpus.sh says what to do when it cannot work, and leaves nothing behind then.
# usage: tests/unit/corpus.sh SOURCE_DIR     (no network: apt-get is a stand-in that fails)
set -uo pipefail
script=$1/inputs/corpus.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE WORD... -- COMMAND...: the command's exit code, and words that it must say
expect() {
  local code=$1 words=() got word
  shift
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  PATH=$work/bin:$PATH "$@" > "$work/said" 2>&1
  got=$?
  [ "$got" = "$code" ] || { echo "exit code $got, expected $code: $*"; cat "$work/said"; failures=1; }
  for word in "${words[@]}"; do
    grep -qF -- "$word" "$work/said" || { echo "\"$word\" was not said: $*"; cat "$work/said"; failures=1; }
  done
}

mkdir "$work/bin"
printf '#!/bin/sh\necho "E: Unable to locate package" >&2\nexit 100\n' > "$work/bin/apt-get"
chmod +x "$work/bin/apt-get"

expect 2 "OUTDIR" "licences" -- "$script"
expect 0 "--debs DIR" -- "$script" --help
expect 3 "Unable to locate" "apt-get update" "--debs FOLDER" "dfascale prepare" -- "$script" "$work/out"
[ -z "$(ls -A "$work/out")" ] || { echo "files were left behind"; failures=1; }

mkdir -p "$work/debs" "$work/full"
echo "not a package" > "$work/debs/anarchism_1_all.deb"
expect 3 "anarchism_1_all.deb" "cannot unpack" -- "$script" --debs "$work/debs" "$work/out"

# Packages with nothing in them stand for ones whose layout has changed.
rm "$work/debs/"*
for package in anarchism r-cran-janeaustenr sword-comm-mhcc sword-comm-tdavid sword-text-web; do
  mkdir -p "$work/$package/DEBIAN"
  printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: empty\n' \
    "$package" > "$work/$package/DEBIAN/control"
  dpkg-deb -b "$work/$package" "$work/debs/${package}_1_all.deb" > "$work/said" || { cat "$work/said"; failures=1; }
done
expect 3 "anarchism" "layout has changed" -- "$script" --debs "$work/debs" "$work/out"

for file in train.txt valid.txt sources.txt; do echo kept > "$work/full/$file"; done
expect 0 "there already" -- "$script" "$work/full"
[ "$(cat "$work/full/train.txt")" = kept ] || { echo "an existing corpus was changed"; failures=1; }
exit $failures
