#!/usr/bin/env bash
# Builds the web page (console/dist) when its sources are newer than the last build; says nothing otherwise.
# `console.sh test` runs the page's own tests instead. Exit code 3: there is no page or no npm to build it with.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

NOT_POSSIBLE=3
[ -f console/package.json ] || exit "$NOT_POSSIBLE"
have npm || exit "$NOT_POSSIBLE"
mkdir -p "$STAMPS"

# quietly COMMAND...: output only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 40 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

install_dependencies() {
    [ -d console/node_modules ] && cmp -s console/package-lock.json "$STAMPS/console-lock" && return 0
    say "console: installing its dependencies (minutes, once)"
    quietly npm --prefix console ci --no-audit --no-fund --loglevel=error
    cp console/package-lock.json "$STAMPS/console-lock"
}

build() {
    if [ -f console/dist/index.html ] && [ -f "$STAMPS/console-built" ] &&
        [ -z "$(find console -path console/node_modules -prune -o -path console/dist -prune -o \
            -type f -newer "$STAMPS/console-built" -print -quit)" ]; then
        return 0
    fi
    local started="$STAMPS/console-started"
    touch "$started" # sources edited while the build runs count as newer
    install_dependencies
    say "console: building the page"
    quietly npm --prefix console run build
    mv "$started" "$STAMPS/console-built"
    touch crates/server/src/page.rs # the page is embedded when this file is compiled
}

case ${1:-build} in
build) build ;;
test)
    install_dependencies
    npm --prefix console test --silent
    ;;
*) die "usage: scripts/console.sh [build|test]" ;;
esac
