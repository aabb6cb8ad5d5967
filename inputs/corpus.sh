#!/usr/bin/env bash
# Real English text from Debian packages: about 33 MB for training, 1.6 MB for validation.
#
#   inputs/corpus.sh [--debs DIR] OUTDIR
#
# Writes OUTDIR/train.txt, OUTDIR/valid.txt (documents separated by lines <|endoftext|>) and
# OUTDIR/sources.txt (packages, versions, licences, checksums).  The same packages give the same
# text.  Nothing is installed and root is not needed; wants apt-get, dpkg-deb and python3.
#   --debs DIR  take the packages from DIR where they are there, keep downloaded ones there
#
# The texts (licences from each package's copyright file; they stay on your machine):
#   anarchism            An Anarchist FAQ                           GPL-2+
#   r-cran-janeaustenr   six novels by Jane Austen                  public domain
#   sword-comm-mhcc      M. Henry, Concise Commentary               public domain
#   sword-comm-tdavid    C. Spurgeon, The Treasury of David         public domain
#   sword-text-web       World English Bible                        public domain
set -euo pipefail
export LC_ALL=C.UTF-8

packages=(anarchism r-cran-janeaustenr sword-comm-mhcc sword-comm-tdavid sword-text-web)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

stop() { echo "corpus.sh: $*" >&2; exit 3; }

help() { sed -n '2,/^set -/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

read_command_line() {
  debs='' out=''
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) help; exit 0 ;;
      --debs) debs=${2:?--debs needs a folder}; shift 2 ;;
      -*) help >&2; exit 2 ;;
      *) out=$1; shift ;;
    esac
  done
  [ -n "$out" ] || { help >&2; exit 2; }
}

need_tools() {
  local tool
  for tool in apt-get dpkg-deb python3; do
    command -v "$tool" > /dev/null ||
      stop "$tool is missing.  On a system without Debian packages give any UTF-8 text of your own:
  dfascale prepare --train YOUR.txt --valid OTHER.txt --out DIR --vocab 2048"
  done
}

# Downloads one package into the current folder.  As root, apt would otherwise switch to a user who
# may not be allowed to write here.
download() { apt-get -qq -o APT::Sandbox::User=root download "$1" 2>> "$work/apt.log"; }

fetch() {
  compgen -G "$1_*.deb" > /dev/null && return
  download "$1" && return
  if [ "$(id -u)" = 0 ] && [ ! -e "$work/updated" ]; then  # a fresh container has no package lists
    touch "$work/updated"
    apt-get -qq update 2>> "$work/apt.log" || true
    download "$1" && return
  fi
  tail -n 3 "$work/apt.log" >&2
  stop "cannot download the Debian package $1.  Try one of:
  - apt-get update (as root), and see that 'main' of a Debian release is in your apt sources;
  - on a machine with network: apt-get download ${packages[*]}
    then copy the .deb files here and run: $0 --debs FOLDER $out
  - give any UTF-8 text of your own: dfascale prepare --train YOUR.txt --valid OTHER.txt ..."
}

read_command_line "$@"
if [ -s "$out/train.txt" ] && [ -s "$out/valid.txt" ] && [ -s "$out/sources.txt" ]; then
  echo "$out: the corpus is there already; remove the folder to make it again"
  exit 0
fi
need_tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" || stop "cannot make the folder $out"
debs=${debs:-$work/debs}
mkdir -p "$debs" "$work/unpacked"
debs=$(cd "$debs" && pwd)

for package in "${packages[@]}"; do
  (cd "$debs" && fetch "$package")
  deb=$(compgen -G "$debs/${package}_*.deb" | sort -V | tail -n 1)
  dpkg-deb -x "$deb" "$work/unpacked/$package" || stop "$deb: cannot unpack; remove it and try again"
  echo "$package $(dpkg-deb -f "$deb" Version)" >> "$work/versions"
done

python3 "$here/corpus.py" "$work/unpacked" "$work" || stop "the packages could not be turned into text"
{
  echo "Made by inputs/corpus.sh from these Debian packages; licences are in inputs/corpus.sh."
  cat "$work/versions"
  (cd "$work" && sha256sum train.txt valid.txt)
} > "$work/sources.txt"
for file in train.txt valid.txt sources.txt; do
  { cp "$work/$file" "$out/.$file" && mv "$out/.$file" "$out/$file"; } ||
    stop "cannot write $out/$file: is the disk full?"
done
cat "$out/sources.txt"
