#!/bin/bash
# Runs a command as root of private network, mount and PID namespaces: links, rulesets, /run and mounts are its own, and all of it
# is gone when the command ends.
set -euo pipefail
if [ $# -eq 0 ]; then
  echo "usage: $0 COMMAND [ARGUMENT...]" >&2
  exit 2
fi
VIRTWALL_OUTER_NETNS=$(readlink /proc/self/ns/net)
export VIRTWALL_OUTER_NETNS
# An unprivileged user namespace would not do: a large nft transaction fails there with "Message too long".
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh -c '
  mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"' sh "$@"
