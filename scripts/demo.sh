#!/bin/sh
# `npm run demo`: installs what is missing, builds, and runs the demo in namespaces of its own. Needs root and Debian.
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "demo: $*" >&2
  exit 3
}

command -v node >/dev/null && command -v npm >/dev/null || fail "needs Node.js 20.19 or newer, with npm"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
  fail "needs Node.js 20.19 or newer, this is $(node --version)"
[ "$(id -u)" -eq 0 ] || fail "needs root: it makes private network and mount namespaces"

sh scripts/install.sh demo
sh scripts/packages.sh install
echo "demo: npm run build"
npm run --silent build >/dev/null
exec node dist/lab/demo.js "$@"
