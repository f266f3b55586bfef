#!/bin/bash
# Every tier of tests. Installs what is missing first: Debian packages (as root) and npm packages. Touches nothing of the
# machine's own network or firewall. With CI=true or REQUIRE_KERNEL=1 a tier that cannot run here is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

passed=0 failed=0 started=$SECONDS remarks=()
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

say() { printf '== [%4d s] %s\n' $((SECONDS - started)) "$*"; }

fail() {
  say "$*"
  remarks+=("failed: $*")
  failed=$((failed + 1))
}

# count STATUS TALLY: adds a tally to the totals: "PASSED FAILED NOT-RUN" and lines of remarks. No tally is a failure, and so is a
# tier that ended with STATUS though nothing in it failed.
count() {
  local p f s lines
  if ! read -r p f s <<<"$2" || [ -z "$p" ]; then
    fail "no report from this tier"
    return
  fi
  passed=$((passed + p)) failed=$((failed + f))
  mapfile -t -s 1 lines <<<"$2"
  remarks+=("${lines[@]}")
  [ "$s" -eq 0 ] || say "$s tests did not run: their reasons stand above"
  [ "$1" -eq 0 ] || [ "$f" -gt 0 ] || fail "this tier ended with status $1"
}

# tests TIER REPORT [FILE...]
tests() {
  "${enter[@]}" node_modules/.bin/vitest run --project="$1" --reporter=default --reporter=json --outputFile.json="$2" "${@:3}"
}

# tier NAME [COMMAND...]: runs a tier's tests, through the command if one is given.
tier() {
  local name=$1 enter=("${@:2}")
  say "tests: $name"
  tests "$name" "$reports/$name.json"
  count $? "$(node scripts/tally.mjs "$reports/$name.json")"
}

# shared_tier NAME [COMMAND...]: real kernels, programs and guests, which a busy machine can starve. Files with a failure are run
# once more by themselves. What passes only then counts as passed, and is named at the end as unsteady.
shared_tier() {
  local name=$1 enter=("${@:2}") status files
  say "tests: $name"
  tests "$name" "$reports/$name.json"
  status=$?
  mapfile -t files < <(node scripts/tally.mjs --files "$reports/$name.json")
  if [ ${#files[@]} -eq 0 ]; then
    count $status "$(node scripts/tally.mjs "$reports/$name.json")"
    return
  fi
  say "once more: ${files[*]}"
  tests "$name" "$reports/$name-again.json" "${files[@]}"
  count $? "$(node scripts/tally.mjs "$reports/$name.json" "$reports/$name-again.json")"
}

finish() {
  say "done"
  [ ${#remarks[@]} -eq 0 ] || printf '%s\n' "${remarks[@]}"
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

say "Debian packages"
bash scripts/install.sh || fail "installing packages"
if [ ! -x node_modules/.bin/vitest ]; then
  say "npm packages"
  npm ci || { fail "npm ci"; finish; }
fi
say "build"
npm run --silent build || { fail "build"; finish; }

say "check"
node scripts/check.mjs --tally "$reports/check"
count $? "$(cat "$reports/check")"

tier properties
if why=$(bash scripts/in-namespace.sh true 2>&1); then
  shared_tier kernel bash scripts/in-namespace.sh
  shared_tier libvirt
  shared_tier boot bash scripts/in-namespace.sh
  shared_tier package
else
  why="cannot run here: kernel, libvirt and package tests, no private namespaces (needs root): $why"
  if [ "${CI:-}" = true ] || [ "${REQUIRE_KERNEL:-}" = 1 ]; then fail "$why"; else say "$why"; fi
fi
finish
