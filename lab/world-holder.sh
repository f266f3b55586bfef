#!/bin/sh
# PID 1 of a lab world: hides the machine's folders behind private layers, says `ready`, and lives until its
# standard input closes. Its end takes the whole world with it: processes, mounts, interfaces and rules.
set -eu
mount -t tmpfs tmpfs /run
mount -t sysfs sysfs /sys
# One layer for all of /etc and /var: whatever a daemon writes there stays in the world. The upper folders
# are on tmpfs, because an overlay cannot have its upper folder on another overlay (containers).
for folder in etc var root; do
  mkdir -p "/run/layers/$folder/upper" "/run/layers/$folder/work"
  mount -t overlay overlay \
    -o "lowerdir=/$folder,upperdir=/run/layers/$folder/upper,workdir=/run/layers/$folder/work" "/$folder"
done
mkdir -p /run/lock
ip link set lo up
# Bridged frames meet the inet hooks only where a test asks for it; hosts without br_netfilter are the norm.
for family in iptables ip6tables arptables; do
  switch=/proc/sys/net/bridge/bridge-nf-call-$family
  if [ -w "$switch" ]; then echo 0 >"$switch"; fi
done
echo ready
# libvirt waits for the end of daemons that are children of PID 1 here, so they must be reaped: an ignored
# SIGCHLD makes the kernel do it. perl, because dash 0.5.12 keeps SIGCHLD for itself whatever `trap` says.
exec perl -e '$SIG{CHLD} = "IGNORE"; 1 while sysread(STDIN, my $word, 512);'
