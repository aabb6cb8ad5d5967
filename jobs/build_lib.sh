# shellcheck shell=bash
# What quickstart.sh and test.sh share, so that each finds what the other has compiled: how the preset release is configured.
# Sourced by both in the source folder.

# configure_release OPTION...: CMake's words are shown only where it fails. An option must not change how a file of the
# program is compiled, with one exception: CI, set for one of the scripts alone, compiles everything again.
configure_release() {
  local said options=("$@")
  if [[ -n ${CI:-} ]]; then options+=(-DDFASCALE_WERROR=ON); fi
  said=$(cmake --preset release "${options[@]}" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

# Whether the release build has been configured to the end at least once.
is_configured() { [[ -e build/release/build.ninja ]]; }
