#!/bin/sh
# usage: fetch-kernel.sh CACHE
# Puts the kernel of Debian's package linux-image-cloud-amd64 and the modules that the lab needs into the folder CACHE, unless they
# are there already, and prints the folder that holds them. `guest.order` there names the modules of a guest in the order in which
# they must be inserted, `machine.order` those of a machine that filters. 27 MB are downloaded, through apt.
set -eu
cache=$1
guest="virtio_pci virtio_net virtio_console"
machine="bridge br_netfilter veth nf_tables nf_conntrack_bridge nft_meta_bridge nft_reject_bridge nft_ct nft_nat
  nft_masq nft_redir nft_chain_nat nft_reject_inet nft_limit nft_log nft_connlimit nft_hash nft_numgen nft_fib_inet nf_log_syslog"

fail() {
  echo "$*" >&2
  exit 1
}

# The number changes when what is kept changes.
for folder in "$cache"/kernel-2-*; do
  if [ -f "$folder/machine.order" ]; then
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

# add ORDER MODULE: keeps a module behind those that it names itself as needed, each once in the file ORDER.
add() {
  if grep -qsx "$2.ko" "$scratch/kernel/$1"; then return; fi
  if [ ! -f "$scratch/kernel/$2.ko" ]; then
    # A module's name has _ where its file may have -. Debian 12 has them in /lib, 13 in /usr/lib, and some in the kernel itself.
    pattern=$(echo "$2" | sed 's/_/[-_]/g')
    if cat "$scratch"/x/*/modules/*/modules.builtin "$scratch"/x/usr/*/modules/*/modules.builtin 2>/dev/null |
      grep -q "/$pattern\.ko$"; then return; fi
    file=$(find "$scratch/x" -path '*/lib/modules/*' -name "$pattern.ko*" | head -n 1)
    [ -n "$file" ] || fail "$package holds no module $2"
    # Debian 13 packs its modules; busybox's insmod wants them plain.
    case $file in
      *.xz) xz -dc "$file" >"$scratch/kernel/$2.ko" ;;
      *) cp "$file" "$scratch/kernel/$2.ko" ;;
    esac
  fi
  for needed in $(tr '\0' '\n' <"$scratch/kernel/$2.ko" | sed -n 's/^depends=//p' | tr , ' '); do
    add "$1" "$(echo "$needed" | tr - _)"
  done
  echo "$2.ko" >>"$scratch/kernel/$1"
}
for module in $guest; do add guest.order "$module"; done
for module in $machine; do add machine.order "$module"; done
# Where another run was faster, its folder stays.
mv -T "$scratch/kernel" "$cache/kernel-2-$package" 2>/dev/null || [ -f "$cache/kernel-2-$package/machine.order" ]
echo "$cache/kernel-2-$package"
