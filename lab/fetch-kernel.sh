#!/bin/sh
# usage: fetch-kernel.sh CACHE
# Puts the kernel of Debian's package linux-image-cloud-amd64 and the modules that lab guests need into the folder CACHE,
# unless a kernel is there already, and prints the folder that holds them. 27 MB are downloaded, through apt.
set -eu
cache=$1
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net"

fail() {
  echo "$*" >&2
  exit 1
}

for folder in "$cache"/guest-kernel-*; do
  if [ -f "$folder/order" ]; then
    echo "$folder"
    exit 0
  fi
done

wanted() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p'
}
package=$(wanted)
if [ -z "$package" ]; then
  apt-get update -q >&2 || fail "apt-get update failed; the lab's cache is filled outside of namespaces: scripts/install.sh"
  package=$(wanted)
fi
[ -n "$package" ] || fail "apt knows no package linux-image-cloud-amd64: the lab's guests need Debian's package sources"

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/download-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# apt drops to its own user, who must be able to write here.
chmod 777 "$scratch"
(cd "$scratch" && apt-get download -q "$package" >&2) ||
  fail "no $package from apt; the lab's cache is filled outside of namespaces: scripts/install.sh"
dpkg -x "$scratch"/*.deb "$scratch/x"
mkdir "$scratch/kernel"
cp "$scratch"/x/boot/vmlinuz-* "$scratch/kernel/vmlinuz"
for module in $modules; do
  file=$(find "$scratch/x" -name "$module.ko" -o -name "$module.ko.xz" | head -n 1)
  [ -n "$file" ] || fail "$package holds no module $module"
  cp "$file" "$scratch/kernel/"
  # Debian 13 packs its modules; busybox's insmod wants them plain.
  case $file in *.xz) xz -d "$scratch/kernel/$module.ko.xz" ;; esac
  # In the order in which they must be inserted.
  echo "$module.ko" >>"$scratch/kernel/order"
done
# Where another run was faster, its folder stays.
mv -T "$scratch/kernel" "$cache/guest-kernel-$package" 2>/dev/null || [ -f "$cache/guest-kernel-$package/order" ]
echo "$cache/guest-kernel-$package"
