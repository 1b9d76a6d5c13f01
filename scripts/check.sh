#!/usr/bin/env bash
# The quick checks: format, lints as errors, fences between crates, dependency policy where cargo-deny is installed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stage "format" cargo fmt --all --check
stage "lints" cargo clippy -q --workspace --all-targets -- -D warnings
stage "fences" cargo run -q -p headworks-xtask -- fences
if have cargo-deny; then
    stage "dependencies" cargo deny --log-level error check
else
    say "-- dependencies: cargo-deny is not installed; deny.toml was not checked (the fences hold the essential part)"
fi
