#!/usr/bin/env bash
# Installs what dfascale needs to build, run and be tested, from Debian or Ubuntu packages.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache git pkg-config
  clang-format clang-tidy gcovr shellcheck
  openmpi-bin libopenmpi-dev libhdf5-openmpi-dev hdf5-tools
  libtrilinos-kokkos-dev libdnnl-dev libtomlplusplus-dev libcli11-dev
  libfmt-dev libspdlog-dev nlohmann-json3-dev librandom123-dev
  libsentencepiece-dev zlib1g-dev libzstd-dev libssl-dev
  libeigen3-dev libceres-dev gnuplot-nox
  libgtest-dev libbenchmark-dev
  python3 ca-certificates
)

# For tests of the job scripts only: daemons are nothing that everybody wants. Another Slurm that is there will do.
if [[ ${1:-} == --with-slurm ]]; then
  shift
  if ! command -v sbatch >/dev/null || dpkg-query -W slurmctld >/dev/null 2>&1; then
    packages+=(slurmctld slurmd slurm-client munge)
  fi
fi

help() {
  cat <<TEXT
usage: cmake/install-dependencies.sh [--with-slurm] [--help | --list | --check]

Installs with apt-get what is missing; as root, or else with sudo. Does nothing when everything is there.
  --with-slurm   also what the tests of the job scripts need: a Slurm, which they start for themselves
  --list         prints the packages
  --check        prints what is missing and exits 1 if anything is
TEXT
}

elsewhere() {
  cat >&2 <<TEXT
install-dependencies.sh: this system has no apt-get; install these yourself.

Spack:
  spack -e packaging/spack install    or one by one:
  spack install cmake ninja openmpi hdf5 kokkos+serial onednn cli11 fmt spdlog nlohmann-json random123 \\
    sentencepiece zlib zstd openssl eigen ceres-solver gnuplot googletest benchmark tomlplusplus
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

case ${1:-} in
  "" | --check) ;;
  --list) printf '%s\n' "${packages[@]}"; exit 0 ;;
  --help | -h) help; exit 0 ;;
  *) help >&2; exit 2 ;;
esac

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
if [[ ${1:-} == --check ]]; then exit 1; fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies.sh: needs root or sudo; ask for: apt-get install ${wanted[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${wanted[@]}"
