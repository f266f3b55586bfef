#!/bin/sh
# usage: make-trixie.sh CACHE
# Makes a Debian 13 with libvirt 11.3, nft 1.1.3 and other programs' firewalls in the folder CACHE, unless it is there
# already, and prints its root folder. Needs root and debootstrap; 3 minutes, 800 MB.
set -eu
cache=$1
# The number changes when the way the folder is made changes.
kept=$cache/trixie-2
packages="libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-daemon-driver-network libvirt-daemon-driver-nwfilter
  libvirt-daemon-config-network libvirt-clients qemu-system-x86 dnsmasq-base nftables iptables iproute2 conntrack
  firewalld dbus ufw docker.io"

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
debootstrap --variant=minbase trixie "$scratch" "$mirror" >&2 ||
  fail "debootstrap failed; the lab's cache is filled outside of namespaces: scripts/install.sh"
# invoke-rc.d asks this file before it starts a service.
printf '#!/bin/sh\nexit 101\n' >"$scratch/usr/sbin/policy-rc.d"
chmod 755 "$scratch/usr/sbin/policy-rc.d"
# The mounts end with the namespace, also when this is interrupted: rm must never meet the machine's /dev.
unshare --mount --pid --fork --kill-child --propagation private sh -c '
  set -e
  root=$1
  shift
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  export DEBIAN_FRONTEND=noninteractive
  chroot "$root" apt-get update -q
  chroot "$root" apt-get install -y -q --no-install-recommends "$@"
  chroot "$root" apt-get clean' sh "$scratch" $packages >&2 </dev/null || fail "apt-get failed in the new Debian 13"
# Where another run was faster, its folder stays.
mv -T "$scratch" "$kept" 2>/dev/null || [ -d "$kept" ]
echo "$kept"
