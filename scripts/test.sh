#!/usr/bin/env bash
# What `make test` does after set-up: every check, then the test runner last, so that its summary closes the output.
# Measured budget: under 60 minutes from a fresh clone on two cores.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Of the lines of tests that passed every fiftieth, as progress: in a short record what failed is found at once, with its words.
each_fiftieth_pass() {
    local line passed=0
    while IFS= read -r line; do
        [[ $line =~ ^\ +PASS\ \[ ]] && ((++passed % 50)) && continue
        printf '%s\n' "$line"
    done
}

began=$SECONDS
scripts/check.sh

# Tests that need the embedded page ask this variable; without Node.js they check the page which says how to build it.
export HW_CONSOLE_BUILT=0
if [ -f console/package.json ] && have npm; then
    stage "console" scripts/console.sh build
    stage "console tests" scripts/console.sh test
    HW_CONSOLE_BUILT=1
else
    say "-- console: no npm here (or no console yet): the page is not built and its tests are skipped"
fi

[ -x "$TARGET/venv/bin/schemathesis" ] || say "-- fuzz: target/venv has no schemathesis: the API fuzz test will say that it was skipped"

stage "building the tests" cargo nextest run --cargo-quiet --workspace --no-run

heading "tests (after $((SECONDS - began)) s)"
# At a terminal the runner shows its progress itself.
[ -t 1 ] && exec cargo nextest run --workspace
cargo nextest run --workspace 2>&1 | each_fiftieth_pass
