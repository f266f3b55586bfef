#!/bin/sh
# usage: make-debian.sh CACHE NAME SUITE PACKAGE...
# Makes a Debian of that suite with the packages in the folder CACHE/NAME, unless it is there already, and prints that folder.
# Needs root and debootstrap.
set -eu
cache=$1 kept=$1/$2 suite=$3
shift 3

fail() {
  echo "$*" >&2
  exit 1
}

if [ -d "$kept" ]; then
  echo "$kept"
  exit 0
fi
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt install debootstrap"
# The mirror that the machine's own apt sources name, in either of apt's two formats.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
  sed -nE 's#^(URIs:|deb( \[[^]]*\])?)[[:space:]]+([^[:space:]]+/debian/?)([[:space:]].*)?$#\3#p' | head -n 1)
[ -n "$mirror" ] || fail "apt's sources name no Debian mirror (.../debian)"

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/debootstrap-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
debootstrap --variant=minbase "$suite" "$scratch" "$mirror" >&2 ||
  fail "debootstrap failed; the lab's cache is filled outside of namespaces: scripts/install.sh"
# invoke-rc.d asks this file before it starts a service.
printf '#!/bin/sh\nexit 101\n' >"$scratch/usr/sbin/policy-rc.d"
chmod 755 "$scratch/usr/sbin/policy-rc.d"
sh "$(dirname "$0")/in-debian.sh" "$scratch" sh -ec '
  apt-get update -q
  apt-get install -y -q --no-install-recommends "$@"
  apt-get clean' sh "$@" >&2 || fail "apt-get failed in the new Debian ($suite)"
# Where another run was faster, its folder stays.
mv -T "$scratch" "$kept" 2>/dev/null || [ -d "$kept" ]
echo "$kept"
