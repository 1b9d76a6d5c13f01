#!/usr/bin/env bash
# Builds what `make up` runs: the page where npm is here, then the `hw` binary (target/fast/hw).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rc=0
scripts/console.sh || rc=$?
case $rc in
0 | 3) ;; # 3: no npm; setup.sh has said so and the server serves a page which says how to build this one
*) say "console: could not be built; going on without it (the API and the command line work)" ;;
esac

[ -x "$TARGET/fast/hw" ] || say "build: compiling the platform, optimised (the first time takes 10 to 20 minutes on two cores)"
exec cargo build -q --profile fast -p headworks-cli
