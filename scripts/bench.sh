#!/usr/bin/env bash
# Runs every benchmark of the workspace in the optimised profile and prints the figures.
# A benchmark is a `[[bench]]` target with `harness = false` which prints its own lines; `bench.sh NAME...`
# runs only those whose name contains one of the words.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t benches < <(cargo run -q -p headworks-xtask -- benches)
[ ${#benches[@]} -gt 0 ] || die "no crate declares a benchmark"

say "building (optimised) ..."
cargo build -q --profile fast -p headworks-cli
export HW_BIN=$TARGET/fast/hw

printf '%s, %d cores, %s MiB memory, kernel %s\n' "$(uname -m)" "$(nproc)" \
    "$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" "$(uname -r)"

wanted() {
    [ ${#words[@]} -eq 0 ] && return 0
    local word
    for word in "${words[@]}"; do [[ $1 == *"$word"* ]] && return 0; done
    return 1
}

words=("$@")
wanted twin && scripts/accasim.sh
for line in "${benches[@]}"; do
    read -r package bench <<<"$line"
    wanted "$bench" || continue
    stage "$package $bench" cargo bench -q --profile fast -p "$package" --bench "$bench"
done
