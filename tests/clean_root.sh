#!/usr/bin/env bash
# The README's two commands on a new Debian that has nothing but git: do the packages that they install suffice, in both orders?
set -euo pipefail
unset CDPATH

help() {
  cat <<TEXT
usage: tests/clean_root.sh --root DIR [--order ORDER]... [--study FILE] [--text DIR] [--mirror URL] [--suite NAME]
                           [--ccache DIR] [--user] [--keep] [-- OPTION OF jobs/test.sh...]

Makes a minimal Debian in DIR/base (debootstrap, variant minbase, with git), copies it for each order, clones this folder's
HEAD into the copy and runs both commands there, as root of the copy. Prints how each ended and how many tests ran; the exit
code is 0 only if all passed. Wants root, debootstrap, a network and 6 GB for each order; about an hour for each on 2 cores.
Not among the tests.
  --root DIR     where the roots go; DIR/base is made once and used again
  --order ORDER  quickstart-test or test-quickstart; without it both, one after the other
  --study FILE   the quickstart's study, for less time than inputs/quickstart.toml takes
  --text DIR     train.txt, valid.txt and sources.txt for the quickstart, instead of its Debian packages
  --mirror URL   the Debian mirror (default: the first one in this machine's apt sources)
  --suite NAME   the release (default: bookworm)
  --ccache DIR   compilers' results from here, and to here; else everything is compiled
  --user         as another user than root, who cannot install: the packages are installed first
  --keep         leave the copies there; else they are removed
Example, everything small: tests/clean_root.sh --root DIR --study small.toml -- --target test_rate -- --tests-regex unit.rate
TEXT
}

die() { echo "clean_root.sh: $*" >&2; exit 2; }

root="" orders=() study="" text="" mirror="" suite=bookworm ccache="" user=root keep=no for_test=()
while (($#)); do
  case $1 in
    --root) root=$(realpath -m -- "${2:?--root wants a folder}"); shift ;;
    --order)
      [[ ${2:-} == quickstart-test || ${2:-} == test-quickstart ]] || die "--order ${2:-}: expected quickstart-test or test-quickstart"
      orders+=("$2")
      shift
      ;;
    --study) study=$(realpath -e -- "${2:?--study wants a file}"); shift ;;
    --text) text=$(realpath -e -- "${2:?--text wants a folder}"); shift ;;
    --mirror) mirror=${2:?--mirror wants a URL}; shift ;;
    --suite) suite=${2:?--suite wants a name}; shift ;;
    --ccache) ccache=$(realpath -m -- "${2:?--ccache wants a folder}"); shift ;;
    --user) user=tester ;;
    --keep) keep=yes ;;
    --) shift; for_test=("$@"); break ;;
    --help | -h) help; exit 0 ;;
    *) help >&2; exit 2 ;;
  esac
  shift
done
[[ -n $root ]] || { help >&2; exit 2; }
[[ $user == root || -z $ccache ]] || die "--user cannot write into the folder of --ccache: give one of them"
((EUID == 0)) || die "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || die "debootstrap is not installed"
((${#orders[@]})) || orders=(quickstart-test test-quickstart)
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."
source tests/support/sources.sh
is_checkout || die "$PWD is not a git checkout: the roots clone it"

mounted=()
release() {
  local place
  for place in "${mounted[@]}"; do umount --lazy "$place" || true; done
  mounted=()
}
trap release EXIT

bring() {  # bring SOURCE PLACE: SOURCE seen at PLACE too, until the end
  mkdir -p "$2"
  mount --bind "$1" "$2"
  mounted=("$2" "${mounted[@]}")
}

# remove COPY: never what the machine outside has lent.
remove() {
  local place
  for place in "$1"/{proc,sys,dev/shm,dev/pts,dev,ccache}; do
    if mountpoint -q "$place"; then die "$place is still mounted: umount it, then remove $1"; fi
  done
  rm -rf --one-file-system "$1"
}

make_base() {
  [[ -e $root/base.done ]] && return
  mirror=${mirror:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
  [[ -n $mirror ]] || die "no Debian mirror is in this machine's apt sources: give one by --mirror"
  rm -rf "$root/base" && mkdir -p "$root"
  debootstrap --variant=minbase --include=git "$suite" "$root/base" "$mirror" >"$root/debootstrap.log" ||
    die "debootstrap failed, see $root/debootstrap.log"
  touch "$root/base.done"
}

inside() {  # inside COPY USER COMMAND...: in the copy's clone, with a new environment
  local copy=$1 user=$2
  shift 2
  chroot "$copy" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    ${ccache:+CCACHE_DIR=/ccache} /sbin/runuser -u "$user" -- bash -c 'cd /dfascale && "$@"' inside "$@" </dev/null
}

prepare() {  # prepare COPY: the clone and what the machine outside lends
  local copy=$1 place
  remove "$copy"
  cp -a "$root/base" "$copy"
  git clone -q --no-hardlinks "file://$PWD" "$copy/dfascale"
  cp /etc/resolv.conf "$copy/etc/"
  for place in /proc /sys /dev /dev/shm /dev/pts; do bring "$place" "$copy$place"; done
  if [[ -n $ccache ]]; then bring "$ccache" "$copy/ccache"; fi
  if [[ -n $study ]]; then cp "$study" "$copy/dfascale/small.toml"; fi
  if [[ -n $text ]]; then mkdir -p "$copy/dfascale/data" && cp -r "$text" "$copy/dfascale/data/text"; fi
  if [[ $user != root ]]; then
    chroot "$copy" useradd --create-home "$user"
    chroot "$copy" chown -R "$user" /dfascale
    inside "$copy" root cmake/install-dependencies.sh --for-tests >"$copy.install.log" 2>&1 || return
  fi
}

commands=0 failed=0
command_of() {  # command_of COPY NAME: runs jobs/NAME.sh and says how it ended
  local copy=$1 name=$2 log=$1.$2.log begun=$SECONDS status=0 words=()
  if [[ $name == quickstart && -n $study ]]; then words=(--study small.toml); fi
  if [[ $name == test ]]; then words=("${for_test[@]}"); fi
  inside "$copy" "$user" "jobs/$name.sh" "${words[@]}" >"$log" 2>&1 || status=$?
  commands=$((commands + 1))
  ((status == 0)) || failed=$((failed + 1))
  echo "$(basename "$copy"): jobs/$name.sh ended with $status after $((SECONDS - begun)) s;" \
    "$(grep -E 'tests passed|^Results:' "$log" || echo "see $log")"
  grep -E '^(skipped|.*\*\*\*(Skipped|Failed))' "$log" || true
}

make_base
for order in "${orders[@]}"; do
  copy=$root/$order
  prepare "$copy" || die "$copy could not be prepared"
  echo "$order: $(chroot "$copy" cat /etc/debian_version), $(chroot "$copy" dpkg-query -W | wc -l) packages before, revision" \
    "$(git -c safe.directory="*" -C "$copy/dfascale" describe --always)"
  for name in ${order//-/ }; do command_of "$copy" "$name"; done
  release
  [[ $keep == yes ]] || remove "$copy"
done
echo "clean_root.sh: $((commands - failed)) of $commands commands ended with 0"
((failed == 0))
