#!/usr/bin/env bash
# Installs what this machine lacks for one of three purposes, and is silent and quick where nothing is missing:
#   setup.sh run    build and start the platform, run the sample job (`make up`)
#   setup.sh test   what the tests need besides (`make test`)
#   setup.sh fuzz   the Python environment of the API fuzz test alone
# Debian packages come by apt; Rust and Node.js are the user's choice and are only looked for.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CARGO_VERSION_MIN=1.95
NODE_VERSION_MIN=20
NEXTEST_VERSION=0.9.143

profile=${1:-run}
case $profile in run | test | fuzz) ;; *) die "usage: scripts/setup.sh run|test|fuzz" ;; esac

# ---- Room on the disk ------------------------------------------------------------------------------------

# Measured on a fresh clone: the tests build 3 GiB and their clusters and databases take 1 more for a while;
# an optimised server builds 2. A full disk shows as a linker that crashes, so it is said before.
warn_of_little_room() {
    local wanted_gib=3 free_gib
    [ "$profile" = test ] && wanted_gib=5
    [ -d "$TARGET/debug" ] || [ -d "$TARGET/fast" ] && return 0
    mkdir -p "$TARGET"
    free_gib=$(($(stat -f -c '%a * %S' "$TARGET") / 1073741824))
    ((free_gib >= wanted_gib)) && return 0
    say "setup: only $free_gib GiB are free where $TARGET lies; building needs about $wanted_gib and may fail half-way (CARGO_TARGET_DIR names another place)"
}

[ "$profile" = fuzz ] || warn_of_little_room

# ---- Debian packages -------------------------------------------------------------------------------------

# Prints the packages which are missing, one per line. What counts is the thing used, not who installed it.
missing_packages() {
    have gcc || echo gcc
    [ -e /usr/include/stdio.h ] || echo libc6-dev
    have lmp || echo lammps
    have mpirun || echo openmpi-bin
    have curl || echo curl
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    [ "$profile" = run ] && return 0
    compgen -G '/usr/lib/postgresql/1[5-9]/bin/initdb' >/dev/null || echo postgresql-15
    have chromium || echo chromium
    compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK*' >/dev/null || echo fonts-noto-cjk
    compgen -G '/usr/lib/python3*/ensurepip' >/dev/null || echo python3-venv
    have setpriv || echo util-linux
    have git || echo git
    missing_slurm_packages
}

# Real Slurm clusters, their accounting, and the ways in to them. The daemons are asked for by the names that the
# tests start: /usr/sbin/slurmctld is a link which another package may turn elsewhere.
missing_slurm_packages() {
    [ -x /usr/sbin/slurmctld-wlm ] && [ -x /usr/sbin/slurmd-wlm ] && have sbatch || echo slurm-wlm
    [ -x /usr/sbin/slurmrestd ] || echo slurmrestd
    [ -x /usr/sbin/slurmdbd ] || echo slurmdbd
    # slurmrestd on a port asks for tokens, which this plugin makes and reads.
    compgen -G '/usr/lib/*/slurm-wlm/auth_jwt.so' >/dev/null || echo slurm-wlm-jwt-plugin
    [ -x /usr/sbin/munged ] || echo munge
    # The server's programs alone: without the full package there is no database of the machine's own.
    [ -x /usr/sbin/mariadbd ] && have mariadb-install-db || echo mariadb-server-core
    have mariadb || echo mariadb-client-core
    [ -x /usr/sbin/sshd ] || echo openssh-server
    have ssh || echo openssh-client
    have rsync || echo rsync
    # Jobs as Unix users of their own: the tests write rules of their own and take them away.
    have sudo || echo sudo
    have ip || echo iproute2
}

# Runs apt as root with no question asked, nothing recommended, and no service started: a temporary policy-rc.d
# says no to starts, PostgreSQL makes no cluster of its own which would start at the next boot, and the daemons which
# came just now (sshd before all) are not started at the next boot either: the tests run their own.
APT_AS_ROOT='
set -e
undo() { rm -f $made; }
made=; trap undo EXIT
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf "#!/bin/sh\nexit 101\n" > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
    made=/usr/sbin/policy-rc.d
fi
mkdir -p /etc/postgresql-common/createcluster.d
printf "create_main_cluster = false\n" > /etc/postgresql-common/createcluster.d/headworks.conf
made="$made /etc/postgresql-common/createcluster.d/headworks.conf"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
for package; do
    case $package in
        slurm-wlm) units="slurmctld slurmd" ;;
        openssh-server) units=ssh ;;
        slurmrestd | slurmdbd | munge) units=$package ;;
        *) continue ;;
    esac
    for unit in $units; do
        update-rc.d "$unit" disable || true
        systemctl disable "$unit" || true
    done
done
'

install_packages() {
    have apt-get || die "this machine lacks: $*
(these are Debian 12 package names; there is no apt-get here, so install their counterparts)"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        if have sudo && sudo -n true 2>/dev/null; then
            root=(sudo -n)
        else
            die "this machine lacks: $*
and this user may not install packages. Run this once, then start again:
    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
        fi
    fi
    say "setup: installing $*"
    local log
    log=$(mktemp)
    if ! "${root[@]}" bash -c "$APT_AS_ROOT" apt "$@" >"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        rm -f "$log"
        die "apt could not install: $*"
    fi
    rm -f "$log"
}

mapfile -t packages < <(missing_packages)
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

# ---- Rust and Node.js ------------------------------------------------------------------------------------

check_rust() {
    local advice="Install Rust $CARGO_VERSION_MIN or later for this user, then start again:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy
    . \"\$HOME/.cargo/env\""
    have cargo || die "cargo is not on the path.
$advice"
    local version
    version=$(cargo --version | cut -d ' ' -f 2)
    version_at_least "$version" "$CARGO_VERSION_MIN" || die "cargo $version is too old.
$advice"
}

# Node.js only builds the web page; without it the server says on its page how to build it.
check_node() {
    local version=none
    have npm && have node && version=$(node --version | tr -d v)
    [ "$version" != none ] && version_at_least "$version" "$NODE_VERSION_MIN" && return 0
    say "setup: no Node.js $NODE_VERSION_MIN or later with npm here (found: $version): the web page is not built, all else works"
}

check_test_tools() {
    local part
    # Asked by running: rustup leaves a command of that name even where the component is not installed.
    for part in fmt clippy; do
        cargo "$part" --version >/dev/null 2>&1 && continue
        have rustup || die "cargo $part is missing: install your Rust distribution's $part component"
        say "setup: adding the Rust component for cargo $part"
        rustup component add "$([ $part = fmt ] && echo rustfmt || echo clippy)"
    done
    have cargo-nextest && return 0
    say "setup: installing cargo-nextest $NEXTEST_VERSION, the test runner (builds from source: about 4 minutes on two cores, once)"
    # A test runner need not be optimised to the last: without LTO the build takes a third of the time.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install -q --locked --no-default-features --features default-no-update "cargo-nextest@$NEXTEST_VERSION" \
        || die "cargo-nextest could not be installed; \`make test\` needs it"
}

if [ "$profile" != fuzz ]; then
    check_rust
    check_node
fi
[ "$profile" != test ] || check_test_tools

# ---- Python environment of the fuzz test ------------------------------------------------------------------

# The API fuzz test drives schemathesis from its own folder, target/venv. Where the package index cannot be
# reached the test is skipped with a message; everything else still runs.
make_venv() {
    local wanted=scripts/fuzz-requirements.txt stamp=$TARGET/venv/.requirements
    cmp -s "$wanted" "$stamp" && return 0
    say "setup: making the fuzz test's Python environment in $TARGET/venv"
    local python=python3
    [ -x /usr/bin/python3 ] && python=/usr/bin/python3
    rm -rf "$TARGET/venv"
    mkdir -p "$TARGET"
    local log
    log=$(mktemp)
    if "$python" -m venv "$TARGET/venv" >"$log" 2>&1 &&
        timeout 600 "$TARGET/venv/bin/pip" install -q --disable-pip-version-check --no-input -r "$wanted" >>"$log" 2>&1; then
        cp "$wanted" "$stamp"
    else
        tail -n 5 "$log" >&2
        rm -rf "$TARGET/venv"
        say "setup: schemathesis could not be installed (is the Python package index reachable?):"
        say "setup: the API fuzz test will be skipped; \`scripts/setup.sh fuzz\` tries again"
    fi
    rm -f "$log"
}

[ "$profile" = run ] || make_venv
