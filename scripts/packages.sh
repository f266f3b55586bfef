#!/bin/sh
# usage: packages.sh [install]
# Whether the npm packages are here that every script needs. Where they are not, it says what installs them and ends with 1, or
# installs them.
set -eu
cd "$(dirname "$0")/.."
if [ -x node_modules/.bin/rolldown ]; then exit 0; fi
if [ "${1:-}" != install ]; then
  echo "the npm packages are not installed: run npm ci, then this again" >&2
  exit 1
fi
echo "packages: npm ci"
exec npm ci --loglevel error --no-progress
