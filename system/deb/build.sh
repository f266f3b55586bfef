#!/bin/bash
# usage: build.sh [--version VERSION] [--without-node] [FOLDER]
# Makes virtwall_VERSION_ARCH.deb in FOLDER (dist/packages) of what `npm run build` has made, and virtwall-node_VERSION_ARCH.deb with
# the Node that runs here, for Debians whose own is too old, unless it is Debian's own, which is more than one file. Needs dpkg-deb
# and no root. The same tree gives the same bytes: times are SOURCE_DATE_EPOCH, by default that of the last commit.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

fail() {
  echo "package: $*" >&2
  exit 1
}

version=$(node -p 'require("./package.json").version')
with_node=yes
out=dist/packages
while [ $# -gt 0 ]; do
  case $1 in
    --version) version=$2; shift 2 ;;
    --without-node) with_node=no; shift ;;
    -*) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
    *) out=$1; shift ;;
  esac
done
[ -f dist/cli.js ] && [ -f dist/man/virtwall.1 ] || fail "not built yet: npm run build"
arch=$(dpkg --print-architecture)
node_arch=$(node -p process.arch)
native=node_modules/@koromix/koffi-linux-$node_arch
[ -d "$native/linux_$node_arch" ] || fail "koffi has no binary for linux $node_arch: npm ci"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# put MODE FILE TARGET, below the root of the package that is made
put() { install -D -m "$1" "$2" "$root/$3"; }
write() { install -D -m "$1" /dev/stdin "$root/$2"; }
press() { gzip -9n "$root/$1"; }

changelog() { # changelog PACKAGE
  write 644 "usr/share/doc/$1/changelog" <<END
$1 ($version) unstable; urgency=medium

  * Release $version.

 -- virtwall maintainers <maintainers@virtwall.dev>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
  press "usr/share/doc/$1/changelog"
}

# close PACKAGE LEVEL: the control file is read from standard input, LEVEL is xz's
close() {
  write 644 DEBIAN/control < <(
    sed "s/@VERSION@/$version/; s/@ARCH@/$arch/"
    echo "Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)"
  )
  (cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) |
    write 644 DEBIAN/md5sums
  find "$root" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  # One thread: how many there are shows in the bytes.
  dpkg-deb --root-owner-group -Zxz "-z$2" --threads-max=1 --build "$root" "$out/$1_${version}_$arch.deb" >/dev/null
  echo "$out/$1_${version}_$arch.deb"
}

make_virtwall() {
  root=$work/virtwall
  local lib=usr/lib/virtwall program file folder
  put 755 "$here/launcher" usr/bin/virtwall
  # The launcher runs it.
  sed 1d bin/virtwall | write 644 $lib/bin/virtwall
  for program in cli daemon gate; do
    # The maps that the last line names are not shipped.
    sed '/^\/\/# sourceMappingURL=/d' dist/$program.js | write 644 $lib/dist/$program.js
  done
  write 644 $lib/package.json <<<"{ \"name\": \"virtwall\", \"version\": \"$version\", \"type\": \"module\" }"

  # Of koffi what the gate loads; everything else is in the bundles.
  while read -r file; do
    put 644 "$file" "$lib/$file"
  done < <(find node_modules/koffi -path '*/vendor' -prune -o \( -name '*.js' -o -name package.json \) -print)
  put 644 "$native/package.json" "$lib/$native/package.json"
  put 644 "$native/index.js" "$lib/$native/index.js"
  put 644 "$native/linux_$node_arch/koffi.node" "$lib/$native/linux_$node_arch/koffi.node"

  for file in system/units/*.service; do put 644 "$file" "usr/lib/systemd/system/${file##*/}"; done
  # No file of dpkg's: the program itself writes the policy (Debian policy 10.7.3). Without one, it says nothing.
  mkdir -p "$root/etc/virtwall"
  put 644 "$here/policy.yaml" usr/share/doc/virtwall/examples/policy.yaml
  for file in schema/*; do put 644 "$file" "usr/share/virtwall/${file##*/}"; done
  put 644 dist/man/virtwall.1 usr/share/man/man1/virtwall.1
  put 644 dist/man/virtwall-policy.5 usr/share/man/man5/virtwall-policy.5
  press usr/share/man/man1/virtwall.1
  press usr/share/man/man5/virtwall-policy.5
  node bin/virtwall completion bash | write 644 usr/share/bash-completion/completions/virtwall
  node bin/virtwall completion zsh | write 644 usr/share/zsh/vendor-completions/_virtwall
  node bin/virtwall completion fish | write 644 usr/share/fish/vendor_completions.d/virtwall.fish

  put 644 README.md usr/share/doc/virtwall/README.md
  while read -r file; do put 644 "$file" "usr/share/doc/virtwall/$file"; done < <(find docs -name '*.md')
  licences | write 644 usr/share/doc/virtwall/copyright
  changelog virtwall
  for file in preinst postinst prerm postrm; do
    [ ! -f "$here/$file" ] || put 755 "$here/$file" "DEBIAN/$file"
  done
  put 644 "$here/lintian-overrides" usr/share/lintian/overrides/virtwall
  close virtwall 6 <"$here/control"
}

# Ours, and those of the packages that are in the bundles or beside them, word by word.
licences() {
  cat "$here/copyright"
  local folder file
  while read -r folder; do
    file=$(find "$folder" -maxdepth 1 -iname 'licen[sc]e*' | sort | head -n 1)
    printf '\n----\n%s %s\n\n' "${folder#"$PWD/node_modules/"}" "$(node -p 'require(process.argv[1]).version' "$folder/package.json")"
    if [ -n "$file" ]; then
      cat "$file"
    else
      echo "Licence: $(node -p 'require(process.argv[1]).license' "$folder/package.json")"
    fi
  done < <(npm ls --omit=dev --all --parseable 2>/dev/null | tail -n +2 | sort)
}

make_node() {
  local binary licence
  binary=$(node -p process.execPath)
  for licence in "${binary%/bin/node}/LICENSE" /usr/share/doc/nodejs/LICENSE ''; do
    [ -f "$licence" ] && break
  done
  [ -n "$licence" ] || fail "node's LICENSE is not beside it: --without-node makes no package of it"
  root=$work/virtwall-node
  put 755 "$binary" usr/lib/virtwall-node/node
  put 644 "$licence" usr/share/doc/virtwall-node/copyright
  changelog virtwall-node
  put 644 "$here/lintian-overrides-node" usr/share/lintian/overrides/virtwall-node
  # 100 MB, of which higher levels of xz make a fifth less in five times the time.
  close virtwall-node 1 < <(sed "s/@NODE@/$(node -p process.versions.node)/" "$here/control-node")
}

make_virtwall
if [ $with_node = no ]; then
  exit 0
elif [ "$(node -p process.config.variables.node_shared)" = true ]; then
  echo "package: no virtwall-node, as this Node needs a libnode of its own. Debian 12 wants one: build with a Node of nodejs.org" >&2
else
  make_node
fi
