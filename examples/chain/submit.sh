#!/usr/bin/env bash
# Submits the chain with `hw`: prepare, then process if it succeeded or repair if it failed.
# Needs HW_URL and HW_TOKEN; `CHAIN_FAIL=1 bash examples/chain/submit.sh` shows the other way.
set -euo pipefail
here=$(dirname "$0")
hw=${HW:-hw}

first=$("$hw" submit -q --export "CHAIN_FAIL=${CHAIN_FAIL:-0}" "$here/prepare.sh")
"$hw" submit --dependency "afterok:$first" "$here/process.sh"
"$hw" submit --dependency "afternotok:$first" "$here/repair.sh"
