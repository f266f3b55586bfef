#!/bin/sh
# usage: systemd.sh
# Runs the systemd of the Debian that it runs in, as PID 1 of namespaces inside those of a world, with /run and a part of the machine's
# control groups of its own. Ended by SIGTERM, it leaves none of these groups behind.
set -eu
groups=/run/groups
mkdir "$groups"
mount -t cgroup2 cgroup2 "$groups"
own=$(mktemp -d "$groups/virtwall-lab-XXXXXX")
# A group can be removed once the last process in it has been buried.
clean() {
  echo 0 >"$groups/cgroup.procs"
  tries=0
  until find "$own" -depth -type d -exec rmdir {} + 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || return 0
    sleep 0.1
  done
}
echo 0 >"$own/cgroup.procs"
unshare --mount --pid --ipc --uts --cgroup --fork --kill-child --propagation private sh -c '
  mount -t proc proc /proc
  mount -t tmpfs tmpfs /run
  mkdir -p /run/lock
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  export container=lab
  exec /usr/lib/systemd/systemd --unit=basic.target --show-status=no --log-target=journal' &
systemd=$!
trap 'kill -KILL "$systemd"' TERM INT
# The trap ends the first wait.
wait "$systemd" || wait "$systemd" || :
clean
