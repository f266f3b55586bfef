#!/bin/sh
# usage: install.sh [demo]
# Installs the Debian packages that the demo and the tests need, only those that are missing, and fills the lab's cache: a
# kernel for guests, and, but for the demo, a Debian 13 with a newer libvirt. Starts no service: the machine's own network and
# firewall stay as they are.
set -eu
cd "$(dirname "$0")/.."

packages="nftables netbase iptables iproute2 dnsmasq-base conntrack
  libvirt-daemon-system libvirt-daemon-config-network libvirt-daemon-config-nwfilter libvirt-daemon-driver-qemu
  libvirt-clients qemu-system-x86 busybox-static cpio xz-utils debootstrap systemd e2fsprogs"
guard=/usr/sbin/policy-rc.d
kept=$guard.before-virtwall

fail() {
  echo "install: $*" >&2
  exit 1
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# invoke-rc.d asks this file before it starts a service; 101 forbids it. A file of the machine's own comes back after.
guard_services() {
  if [ -e "$guard" ] && ! grep -q '^# virtwall install guard$' "$guard"; then mv "$guard" "$kept"; fi
  printf '#!/bin/sh\n# virtwall install guard\nexit 101\n' >"$guard"
  chmod 755 "$guard"
}
release_services() {
  if grep -q '^# virtwall install guard$' "$guard" 2>/dev/null; then rm -f "$guard"; fi
  if [ -e "$kept" ]; then mv "$kept" "$guard"; fi
}

install_packages() {
  log=$(mktemp)
  had_libvirt=no
  if is_installed libvirt-daemon-system; then had_libvirt=yes; fi
  trap 'release_services; rm -f "$log"' EXIT
  trap 'exit 130' INT TERM
  guard_services

  echo "install: Debian packages missing:$missing"
  echo "install: apt-get update"
  apt-get update -q >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get update failed"; }
  echo "install: apt-get install (1 to 2 minutes)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing >"$log" 2>&1 </dev/null &
  apt=$!
  ticks=0
  while kill -0 "$apt" 2>/dev/null; do
    sleep 1
    ticks=$((ticks + 1))
    if [ $((ticks % 5)) -eq 0 ]; then
      echo "install: $(grep -c '^Unpacking ' "$log" || :) unpacked, $(grep -c '^Setting up ' "$log" || :) set up"
    fi
  done
  wait "$apt" || { tail -n 30 "$log" >&2; fail "apt-get install failed"; }
  release_services

  # The packages switch libvirt on for the next boot. Nobody asked for that here, so it is switched off again.
  if [ "$had_libvirt" = no ] && command -v systemctl >/dev/null; then
    systemctl --quiet disable libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket \
      libvirt-guests.service virtlogd.socket virtlogd-admin.socket virtlockd.socket virtlockd-admin.socket \
      >/dev/null 2>&1 || :
    echo "install: libvirt's services stay off; \`systemctl enable --now libvirtd\` is yours to say"
  fi
}

command -v dpkg-query >/dev/null || fail "this is no Debian; needed are: $(echo $packages)"
missing=
for package in $packages; do
  is_installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" -eq 0 ] || fail "needs root, or first: apt-get install --no-install-recommends$missing"
  install_packages
fi
echo "install: all Debian packages are there"

# Here and not in the lab: tests run in namespaces that have no way out.
cache=${VIRTWALL_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/virtwall-lab}
fill() { # fill SCRIPT WHAT [ARGUMENT...]
  echo "install: $2"
  filling=$(mktemp)
  script=$1 what=$2
  shift 2
  if ! sh "$script" "$cache" "$@" >"$filling" 2>&1; then
    tail -n 20 "$filling" >&2
    rm -f "$filling"
    fail "failed: $what"
  fi
  rm -f "$filling"
}
fill lab/fetch-kernel.sh "the guests' kernel, in $cache"
if [ "${1:-}" != demo ]; then
  fill lab/fetch-agent.sh "the guests' agent, in $cache"
fi
if [ "${1:-}" != demo ] && [ "$(id -u)" -eq 0 ]; then
  fill lab/make-trixie.sh "a Debian 13 with libvirt 11 and other firewalls (3 minutes the first time), in $cache"
  fill lab/make-boot-image.sh "a disk with a Debian 13 that boots (a minute or two the first time), in $cache"
  for suite in bookworm trixie; do
    fill lab/make-bare.sh "a bare $suite for the package's tests (a minute or two the first time), in $cache" $suite
  done
fi
