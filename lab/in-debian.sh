#!/bin/sh
# usage: in-debian.sh ROOT COMMAND [ARGUMENT...]
# Runs a command in the Debian that lies in the folder ROOT, with what apt needs there. Needs root.
set -eu
# The mounts end with the namespace, also when this is interrupted: rm must never meet the machine's /dev.
exec unshare --mount --pid --fork --kill-child --propagation private sh -c '
  set -e
  root=$1
  shift
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  export DEBIAN_FRONTEND=noninteractive
  exec chroot "$root" "$@"' sh "$@" </dev/null
