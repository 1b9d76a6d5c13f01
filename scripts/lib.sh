# Shared by the scripts beside it (sourced, never run): where things are, how they speak, how long stages take.
# Knows nothing about what the platform does.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
STAMPS=$TARGET/stamps

# rustup's default place: a login shell has it on the path, make on a bare machine may not.
cargo_bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
[ -d "$cargo_bin" ] && [[ ":$PATH:" != *":$cargo_bin:"* ]] && PATH=$cargo_bin:$PATH
export PATH

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# version_at_least HAVE WANT: true when dotted number HAVE is WANT or later.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

heading() { printf '\n== %s\n' "$*"; }

# stage NAME COMMAND...: runs COMMAND under a heading, says how long it took, stops the script when it fails.
stage() {
    local name=$1 started=$SECONDS
    shift
    heading "$name"
    if "$@"; then
        printf -- '-- %s: %d s\n' "$name" $((SECONDS - started))
    else
        local rc=$?
        printf -- '-- %s: FAILED (exit code %d) after %d s\n' "$name" "$rc" $((SECONDS - started)) >&2
        exit "$rc"
    fi
}

# ready ADDR: true when the server at ADDR (host:port) answers /readyz with 200. Needs bash only, no curl.
ready() {
    local status=
    { exec 9<>"/dev/tcp/${1%:*}/${1##*:}"; } 2>/dev/null || return 1
    printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" >&9 2>/dev/null
    IFS= read -r -t 2 status <&9
    read -r -t 2 -d '' _ <&9 # the rest of the answer, so that the server sees a clean end
    exec 9>&- 9<&-
    [[ $status == HTTP/1.?\ 200* ]]
}
