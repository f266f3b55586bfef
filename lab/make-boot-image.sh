#!/bin/sh
# usage: make-boot-image.sh CACHE
# Makes a disk with a Debian 13 that boots with systemd, in the folder CACHE, unless it is there already, and prints the folder that
# holds it: `root.ext4`, and for each kernel KIND `vmlinuz-KIND` and what it needs to read the disk, in order, in `modules-KIND/`. `new` is Debian
# 13's kernel, which knows tables with an owner that persist; `own` is that of this machine's Debian. Needs root; a minute or two, 840 MB.
set -eu
cache=$1
# The number changes when the way the folder is made changes.
kept=$cache/boot-2
packages="nodejs kmod procps conntrack libnftables1"
needed="virtio_pci virtio_blk ext4"

fail() {
  echo "$*" >&2
  exit 1
}

if [ -d "$kept" ]; then
  echo "$kept"
  exit 0
fi
trixie=$(sh "$(dirname "$0")/make-trixie.sh" "$cache")
mkdir -p "$cache"
scratch=$(mktemp -d "$cache/boot-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir "$scratch/kept"
cp -a "$trixie" "$scratch/root"
root=$scratch/root

sh "$(dirname "$0")/in-debian.sh" "$root" sh -ec '
  apt-get update -q
  apt-get install -y -q --no-install-recommends "$@"
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/^ *Depends: \(linux-image-.*\)/\1/p")
  mkdir /kernel
  chmod 777 /kernel
  cd /kernel
  apt-get download -q "$kernel"
  apt-get clean' sh $packages >&2 || fail "apt-get failed in the new Debian 13"
mv "$root/kernel" "$scratch/new"

mkdir "$scratch/own"
chmod 777 "$scratch/own"
own=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
(cd "$scratch/own" && apt-get download -q "$own" >&2) || fail "no $own from apt"

# add KIND MODULE: keeps a module behind those that it names itself as needed, each once in the order.
add() {
  if grep -qsx "$2.ko" "$scratch/kept/modules-$1/order"; then return; fi
  # A module's name has _ where its file may have -.
  file=$(find "$scratch/$1/x" -name "$(echo "$2" | sed 's/_/[-_]/g').ko*" | head -n 1)
  # What is built in needs no module.
  [ -n "$file" ] || return 0
  case $file in
    *.xz) xz -dc "$file" >"$scratch/kept/modules-$1/$2.ko" ;;
    *) cp "$file" "$scratch/kept/modules-$1/$2.ko" ;;
  esac
  for wanted in $(tr '\0' '\n' <"$scratch/kept/modules-$1/$2.ko" | sed -n 's/^depends=//p' | tr , ' '); do
    add "$1" "$(echo "$wanted" | tr - _)"
  done
  echo "$2.ko" >>"$scratch/kept/modules-$1/order"
}
for kind in new own; do
  dpkg -x "$scratch/$kind"/*.deb "$scratch/$kind/x"
  cp "$scratch/$kind"/x/boot/vmlinuz-* "$scratch/kept/vmlinuz-$kind"
  modules=$(find "$scratch/$kind/x" -type d -path '*/lib/modules/*' -name '[0-9]*' -prune | head -n 1)
  mkdir -p "$root/usr/lib/modules" "$scratch/kept/modules-$kind"
  cp -a "$modules" "$root/usr/lib/modules/"
  chroot "$root" depmod "$(basename "$modules")"
  for module in $needed crc32c_generic; do add "$kind" "$module"; done
done

# No service of the packages starts by itself: each test says which it wants.
rm -f "$root/usr/sbin/policy-rc.d" "$root"/etc/systemd/system/*.wants/*
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale" "$root/var/lib/apt/lists"
# What an emulated machine would spend half a boot with, and nobody here asks for.
for unit in systemd-logind.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount; do
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done
chroot "$root" ldconfig
touch "$root/etc/.updated" "$root/var/.updated"
echo boot >"$root/etc/hostname"
: >"$root/etc/fstab"
truncate -s 3G "$scratch/kept/root.ext4"
mke2fs -q -t ext4 -E lazy_itable_init=1 -O ^metadata_csum -d "$root" "$scratch/kept/root.ext4" >&2
# Where another run was faster, its folder stays.
mv -T "$scratch/kept" "$kept" 2>/dev/null || [ -d "$kept" ]
echo "$kept"
