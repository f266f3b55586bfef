#!/bin/bash
# Every tier of tests. Installs what is missing first: Debian packages (as root) and npm packages. Touches nothing of the
# machine's own network or firewall. With CI=true or REQUIRE_KERNEL=1 a tier that cannot run here is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

passed=0 failed=0 started=$SECONDS
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

say() { printf '== [%4d s] %s\n' $((SECONDS - started)) "$*"; }

# count FILE: adds a summary {passed, failed} or a vitest report to the totals. A report that is missing or empty is a failure.
count() {
  local numbers
  if numbers=$(node -e '
      const report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
      const broken = (report.testResults ?? []).filter((f) => f.status === "failed" && f.assertionResults.length === 0);
      console.log(report.passed ?? report.numPassedTests, (report.failed ?? report.numFailedTests) + broken.length,
        report.numPendingTests ?? 0);' "$1" 2>/dev/null); then
    local p f s
    read -r p f s <<<"$numbers"
    passed=$((passed + p)) failed=$((failed + f))
    [ "${s:-0}" -gt 0 ] && say "$s tests did not run: their reasons stand above"
    [ "$2" -ne 0 ] && [ "$f" -eq 0 ] && failed=$((failed + 1))
    return 0
  fi
  say "no report from this tier"
  failed=$((failed + 1))
}

# lacking REASON: a tier that cannot run here.
lacking() {
  say "cannot run here: $*"
  if [ "${CI:-}" = true ] || [ "${REQUIRE_KERNEL:-}" = 1 ]; then failed=$((failed + 1)); fi
}

tier() { # tier NAME [COMMAND PREFIX...]
  local name=$1
  shift
  say "tests: $name"
  "$@" node_modules/.bin/vitest run --project="$name" --reporter=default --reporter=json \
    --outputFile.json="$reports/$name.json"
  count "$reports/$name.json" $?
}

finish() {
  say "done"
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

if [ -f scripts/install.sh ]; then
  say "Debian packages"
  bash scripts/install.sh || { say "installing packages failed"; failed=$((failed + 1)); }
fi
if [ ! -x node_modules/.bin/vitest ]; then
  say "npm packages"
  npm ci || { failed=1; finish; }
fi
say "build"
npm run --silent build || { failed=1; finish; }

say "check"
node scripts/check.mjs --summary "$reports/check.json"
count "$reports/check.json" $?

tier properties
if why=$(bash scripts/in-namespace.sh true 2>&1); then
  tier kernel bash scripts/in-namespace.sh
  tier libvirt
else
  lacking "kernel and libvirt tests, no private namespaces (needs root): $why"
fi
finish
