#!/usr/bin/env bash
# Makes the Python environment of AccaSim, a simulator that `make bench` measures ours against, in target/venv-accasim.
# Where the package index cannot be reached the comparison is skipped with a message.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

wanted=scripts/accasim-requirements.txt
venv=$TARGET/venv-accasim
cmp -s "$wanted" "$venv/.requirements" && exit 0
have python3 || { say "bench: no python3 here: AccaSim is not measured"; exit 0; }
say "bench: making AccaSim's Python environment in $venv"
log=$(mktemp)
rm -rf "$venv"
if python3 -m venv "$venv" >"$log" 2>&1 &&
    timeout 600 "$venv/bin/pip" install -q --disable-pip-version-check --no-input -r "$wanted" >>"$log" 2>&1; then
    cp "$wanted" "$venv/.requirements"
else
    tail -n 5 "$log" >&2
    rm -rf "$venv"
    say "bench: AccaSim could not be installed (is the Python package index reachable?): it is not measured"
fi
rm -f "$log"
