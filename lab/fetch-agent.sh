#!/bin/sh
# usage: fetch-agent.sh CACHE
# Puts the program of Debian's package qemu-guest-agent into the folder CACHE, unless it is there already, and prints the folder
# that holds it. The package is not installed: its service is for guests. Less than 1 MB is downloaded, through apt.
set -eu
cache=$1
kept=$cache/guest-agent-1

fail() {
  echo "$*" >&2
  exit 1
}

if [ -f "$kept/qemu-ga" ]; then
  echo "$kept"
  exit 0
fi
mkdir -p "$cache"
scratch=$(mktemp -d "$cache/download-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# apt drops to its own user, who must be able to write here.
chmod 777 "$scratch"
(cd "$scratch" && apt-get download -q qemu-guest-agent >&2) ||
  fail "no qemu-guest-agent from apt; the lab's cache is filled outside of namespaces: scripts/install.sh"
dpkg -x "$scratch"/*.deb "$scratch/x"
mkdir "$scratch/agent"
cp "$scratch/x/usr/sbin/qemu-ga" "$scratch/agent/"
# Where another run was faster, its folder stays.
mv -T "$scratch/agent" "$kept" 2>/dev/null || [ -f "$kept/qemu-ga" ]
echo "$kept"
