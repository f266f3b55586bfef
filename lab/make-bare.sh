#!/bin/sh
# usage: make-bare.sh CACHE bookworm|trixie
# Makes a bare Debian with what our package depends on, and with what its tests read pages and try completions with, in the
# folder CACHE, unless it is there already, and prints its root folder. A minute or two, 390 or 670 MB.
set -eu
case $2 in
  bookworm) own= ;;
  # Debian 12 has no Node that is new enough: our package of one is tried there.
  trixie) own="nodejs lintian" ;;
  *) echo "usage: make-bare.sh CACHE bookworm|trixie" >&2; exit 2 ;;
esac
# The number changes when the way the folder is made changes.
exec sh "$(dirname "$0")/make-debian.sh" "$1" "bare-$2-1" "$2" \
  nftables netbase iproute2 libnftables1 libvirt-clients libstdc++6 man-db bash-completion zsh fish systemd $own
