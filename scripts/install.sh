#!/bin/sh
# Installs the Debian packages that the demo and the tests need, only those that are missing. Starts no service: the
# machine's own network and firewall stay as they are.
set -eu

packages="nftables iptables iproute2 dnsmasq-base conntrack
  libvirt-daemon-system libvirt-daemon-config-network libvirt-daemon-config-nwfilter libvirt-daemon-driver-qemu
  libvirt-clients qemu-system-x86 busybox-static cpio xz-utils"
guard=/usr/sbin/policy-rc.d
kept=$guard.before-virtwall

fail() {
  echo "install: $*" >&2
  exit 1
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

command -v dpkg-query >/dev/null || fail "this is no Debian; needed are: $(echo $packages)"
missing=
for package in $packages; do
  is_installed "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "install: all Debian packages are there"
  exit 0
fi
[ "$(id -u)" -eq 0 ] || fail "needs root, or first: apt-get install --no-install-recommends$missing"

# invoke-rc.d asks this file before it starts a service; 101 forbids it. A file of the machine's own comes back after.
guard_services() {
  if [ -e "$guard" ] && ! grep -q '^# virtwall install guard$' "$guard"; then mv "$guard" "$kept"; fi
  printf '#!/bin/sh\n# virtwall install guard\nexit 101\n' >"$guard"
  chmod 755 "$guard"
}
release_services() {
  rm -f "$guard"
  if [ -e "$kept" ]; then mv "$kept" "$guard"; fi
}

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

# The packages switch libvirt on for the next boot. Nobody asked for that here, so it is switched off again.
if [ "$had_libvirt" = no ] && command -v systemctl >/dev/null; then
  systemctl --quiet disable libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket \
    libvirt-guests.service virtlogd.socket virtlogd-admin.socket virtlockd.socket virtlockd-admin.socket \
    >/dev/null 2>&1 || :
  echo "install: libvirt's services stay off; \`systemctl enable --now libvirtd\` is yours to say"
fi
echo "install: done"
