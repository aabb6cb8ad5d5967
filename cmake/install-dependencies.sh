#!/usr/bin/env bash
# Installs what dfascale needs to be built and run, or also what its tests need, from Debian or Ubuntu packages.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache git pkg-config
  openmpi-bin libopenmpi-dev libhdf5-openmpi-dev
  libtrilinos-kokkos-dev libdnnl-dev libtomlplusplus-dev libcli11-dev
  libfmt-dev nlohmann-json3-dev librandom123-dev
  libsentencepiece-dev zlib1g-dev libzstd-dev libssl-dev
  libeigen3-dev gnuplot-nox python3 xz-utils
)
# clang-format and clang-tidy of version 14 check the style; gcovr and gcov report what the tests reach.
for_tests=(libgtest-dev hdf5-tools clang-format clang-tidy gcovr shellcheck)
slurm=(slurmctld slurmd slurm-client munge)

help() {
  cat <<TEXT
usage: cmake/install-dependencies.sh [--for-tests] [--help | --list | --check]

Installs with apt-get what is missing; as root, or else with sudo. Does nothing when everything is there.
  --for-tests    also what the tests and checks need, among it a Slurm, which the tests of the job scripts start for
                 themselves; a Slurm that is installed from elsewhere is left alone
  --list         prints the packages
  --check        prints what is missing and exits 1 if anything is
TEXT
}

elsewhere() {
  cat >&2 <<TEXT
install-dependencies.sh: this system has no apt-get; install these yourself.

Spack:
  spack -e packaging/spack install    or one by one:
  spack install cmake ninja openmpi hdf5 kokkos+serial onednn cli11 fmt nlohmann-json random123 \\
    sentencepiece zlib zstd openssl eigen gnuplot tomlplusplus googletest
Modules on clusters are usually called:
  gcc (12 or newer), cmake (3.25 or newer), ninja, openmpi, hdf5, kokkos, onednn, eigen, gnuplot
TEXT
}

missing() {
  local installed package
  # dpkg-query fails where it does not know a package, but lists the others.
  installed=" $( (dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null || true) |
    sed -n 's/^ii *//p' | tr '\n' ' ') "
  for package in "${packages[@]}"; do
    [[ $installed == *" $package "* ]] || echo "$package"
  done
}

action=install
while (($#)); do
  case $1 in
    --for-tests)
      packages+=("${for_tests[@]}")
      if ! command -v sbatch >/dev/null || dpkg-query -W slurmctld >/dev/null 2>&1; then packages+=("${slurm[@]}"); fi
      ;;
    --list | --check) action=${1#--} ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done
if [[ $action == list ]]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  elsewhere
  exit 1
fi

mapfile -t wanted < <(missing)
if ((${#wanted[@]} == 0)); then
  echo "install-dependencies.sh: everything is installed"
  exit 0
fi
echo "install-dependencies.sh: missing: ${wanted[*]}"
if [[ $action == check ]]; then exit 1; fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies.sh: needs root or sudo; ask for: apt-get install ${wanted[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
# Lists of packages that cannot be fetched are said by apt-get; those that are there may do.
"${as_root[@]}" apt-get update -q || true
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}" || {
  echo "install-dependencies.sh: apt-get could not install the packages, see above. It needs a network and 'main' of a Debian" \
    "or Ubuntu release in its sources. Where they are installed already in another way, use the option --no-install of" \
    "jobs/quickstart.sh and jobs/test.sh." >&2
  exit 1
}
