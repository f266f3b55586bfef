#!/bin/sh
# usage: world-holder.sh [ROOT PATH...]
# PID 1 of a lab world: hides the machine's folders behind private layers, says `ready`, and lives until its
# standard input closes. Its end takes the whole world with it: processes, mounts, interfaces and rules.
# With ROOT, the folder of another Debian, the world lives in that, and sees the PATHs of the machine.
set -eu
mount -t tmpfs tmpfs /run

# One layer for a whole folder: whatever a daemon writes there stays in the world. The upper folders are on
# tmpfs, because an overlay cannot have its upper folder on another overlay (containers).
layer() { # layer LOWER NAME TARGET
  mkdir -p "/run/layers/$2/upper" "/run/layers/$2/work"
  mount -t overlay overlay \
    -o "lowerdir=$1,upperdir=/run/layers/$2/upper,workdir=/run/layers/$2/work" "$3"
}

if [ $# -eq 0 ]; then
  top=
  for folder in etc var root; do layer "/$folder" "$folder" "/$folder"; done
else
  top=/run/top
  mkdir "$top"
  layer "$1" top "$top"
  shift
  mount -t proc proc "$top/proc"
  mount --rbind /dev "$top/dev"
  mount -t tmpfs tmpfs "$top/run"
  for path; do
    if [ -d "$path" ]; then
      mkdir -p "$top$path"
    else
      mkdir -p "$top${path%/*}"
      [ -e "$top$path" ] || : >"$top$path"
    fi
    mount --bind "$path" "$top$path"
  done
fi
mount -t sysfs sysfs "$top/sys"
mkdir -p "$top/run/lock"
# No server answers here, and libvirtd asks for the host's own name before each guest, 10 s where /etc/hosts lacks it. With none
# named, the resolver asks 127.0.0.1, which refuses at once.
rm -f "$top/etc/resolv.conf"
: >"$top/etc/resolv.conf"
ip link set lo up
# Bridged frames meet the inet hooks only where a test asks for it; hosts without br_netfilter are the norm.
for family in iptables ip6tables arptables; do
  switch=/proc/sys/net/bridge/bridge-nf-call-$family
  if [ -w "$switch" ]; then echo 0 >"$switch"; fi
done
echo ready
# libvirt waits for the end of daemons that are children of PID 1 here, so they must be reaped: an ignored
# SIGCHLD makes the kernel do it. perl, because dash 0.5.12 keeps SIGCHLD for itself whatever `trap` says.
exec ${top:+chroot "$top"} perl -e '$SIG{CHLD} = "IGNORE"; 1 while sysread(STDIN, my $word, 512);'
