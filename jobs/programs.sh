# shellcheck shell=bash
# Where the programs are, for job scripts in the source folder and for installed ones. Sourced by them.

# find_program NAME FOLDER: prints the path of the program NAME for the scripts in FOLDER: as built in the source folder that
# they belong to, or as installed with them, or what the shell finds.
find_program() {
  local place
  for place in "$2/../build/release/bin/$1" "$2/../../../bin/$1"; do
    if [[ -x $place ]]; then realpath "$place"; return; fi
  done
  command -v "$1" && return
  echo "$1 was not found in the source folder's build/release/bin, beside these scripts' installation or in PATH: build it" \
    "(cmake --preset release && cmake --build --preset release)" >&2
  return 1
}
