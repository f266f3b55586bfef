#!/bin/bash
# Every tier of tests. Installs what is missing first: Debian packages (as root) and npm packages. Touches nothing of the
# machine's own network or firewall. With CI=true or REQUIRE_KERNEL=1 a tier that cannot run here is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

passed=0 failed=0 started=$SECONDS remarks=() session=()
reports=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT TERM

# Ends what is still running: without effect on a lane that has ended.
leave() {
  local group
  for group in $(jobs -p); do kill -KILL -- "-$group" 2>/dev/null; done
  rm -rf "$reports"
}

say() { printf '== [%4d s] %s\n' $((SECONDS - started)) "$*"; }

fail() {
  say "$*"
  remarks+=("failed: $*")
  failed=$((failed + 1))
}

# count TIER STATUS TALLY: adds a tally to the totals: "PASSED FAILED NOT-RUN" and lines of remarks. No tally is a failure, and so is a
# tier that ended with STATUS though nothing in it failed.
count() {
  local p f s lines
  if ! read -r p f s <<<"$3" || [ -z "$p" ]; then
    fail "$1: no report"
    return
  fi
  passed=$((passed + p)) failed=$((failed + f))
  mapfile -t -s 1 lines <<<"$3"
  remarks+=("${lines[@]}")
  [ "$s" -eq 0 ] || say "$1: $s tests did not run: their reasons stand above"
  [ "$2" -eq 0 ] || [ "$f" -gt 0 ] || fail "$1: ended with status $2"
}

# tests TIER REPORT [FILE...]
tests() {
  local enter=()
  case $1 in kernel | boot) enter=(bash scripts/in-namespace.sh "${session[@]}") ;; esac
  "${enter[@]}" node_modules/.bin/vitest run --project="$1" --reporter=default --reporter=json --outputFile.json="$2" "${@:3}"
}

# run TIER: leaves a report and a status.
run() {
  say "tests: $1"
  tests "$1" "$reports/$1.json"
  echo $? >"$reports/$1.status"
}

# lane TIER...: one tier after the other, while other lanes go on. Each line names its tier.
lane() {
  # Each guest of libvirt's is a session, and where sessions share the processors (sched(7), autogroups) those would starve a tier.
  local name session=(setsid)
  for name; do run "$name" 2>&1 | sed -u "s/^/$name | /"; done
}

# total TIER: adds what `run` has left to the totals.
total() {
  count "$1" "$(cat "$reports/$1.status")" "$(node scripts/tally.mjs "$reports/$1.json")"
}

# total_of_two TIER: the same for real kernels, programs and guests, which a busy machine can starve. Files with a failure are run once more
# by themselves. What passes only then counts as passed, and is named at the end as unsteady.
total_of_two() {
  local files again=$reports/$1-again.json
  mapfile -t files < <(node scripts/tally.mjs --files "$reports/$1.json")
  if [ ${#files[@]} -eq 0 ]; then
    total "$1"
    return
  fi
  say "once more: ${files[*]}"
  tests "$1" "$again" "${files[@]}"
  count "$1" $? "$(node scripts/tally.mjs "$reports/$1.json" "$again")"
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
sh scripts/packages.sh install || { fail "npm ci"; finish; }
say "build"
npm run --silent build || { fail "build"; finish; }

say "check"
node scripts/check.mjs --tally "$reports/check"
count check $? "$(cat "$reports/check")"

run properties
total properties
if why=$(bash scripts/in-namespace.sh true 2>&1); then
  # Beside each other, since most tests wait more than they work. With job control each lane is a process group, which ends as one.
  set -m
  for tiers in boot libvirt "kernel package"; do lane $tiers </dev/null & done
  set +m
  wait
  for name in kernel libvirt boot package; do total_of_two $name; done
else
  why="cannot run here: kernel, libvirt, boot and package tests, no private namespaces (needs root): $why"
  if [ "${CI:-}" = true ] || [ "${REQUIRE_KERNEL:-}" = 1 ]; then fail "$why"; else say "$why"; fi
fi
finish
