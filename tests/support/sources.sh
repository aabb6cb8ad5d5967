# shellcheck shell=bash
# Which files are the project's, for scripts that check all of them; sourced in the source folder.

# Whether git knows this folder as a checkout; in one of another user's too, as root sees it who runs that user's tests.
is_checkout() {
  [[ -e .git ]] && git -c safe.directory="$PWD" rev-parse --is-inside-work-tree >/dev/null 2>&1
}

# source_files PATTERN...: the files whose names match, each ended by a NUL byte. Without git (a tarball) whatever lies here
# outside the folders of .gitignore.
source_files() {
  if is_checkout; then
    git -c safe.directory="$PWD" ls-files -z -- "$@"
    return
  fi
  local pattern names=()
  for pattern in "$@"; do
    if [[ $pattern == */* ]]; then names+=(-o -path "./$pattern"); else names+=(-o -name "$pattern"); fi
  done
  find . \( -path ./build -o -path ./runs -o -path ./results -o -path ./studies -o -path ./data -o -path ./.git -o -name __pycache__ \) \
    -prune -o -type f ! -name '*.o' \( "${names[@]:1}" \) -printf '%P\0' | LC_ALL=C sort -z
}
