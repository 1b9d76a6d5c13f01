#!/usr/bin/env bash
# Starts the platform on this machine (unless it answers already), sends the sample job through its public API,
# shows what happened, and stays up until Ctrl-C.
#   HW_DATA       data folder (default ./data)         HW_LISTEN     address (default 127.0.0.1:7460)
#   HW_UP_DETACH  1: leave the server in the background and return when the story is told
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

READY_WITHIN_S=60 # a cold start with a million open jobs may take 10 s; six times that is a fault
END_WITHIN_S=60   # from the job's last line of output to its end in the books: one metering interval at most

HW=${HW_BIN:-$TARGET/fast/hw}
DATA=${HW_DATA:-$ROOT/data}
LISTEN=${HW_LISTEN:-127.0.0.1:7460}
SAMPLE=examples/melt/melt.sh
server_pid=

[ -x "$HW" ] || die "$HW is missing: run \`make up\`"

# Whatever ends this script ends the server it started, except HW_UP_DETACH=1 after the whole story.
stop_server() {
    [ -n "$server_pid" ] || return 0
    trap '' INT TERM HUP
    kill -0 "$server_pid" 2>/dev/null || return 0
    printf '\nstopping the server (running jobs keep running and are found again at the next start)\n'
    kill -TERM "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
}

# The server's log goes to a file. What it prints itself, the one-time password among it, goes through a file
# which is shown once and deleted, so that no secret stays on the disk.
start_server() {
    mkdir -p "$DATA"
    local spoken deadline=$((SECONDS + READY_WITHIN_S))
    spoken=$(umask 077 && mktemp)
    # A session of its own: Ctrl-C at this terminal reaches this script, which then asks the server to stop.
    setsid "$HW" up --data "$DATA" --listen "$LISTEN" >"$spoken" 2>>"$DATA/server.log" </dev/null &
    server_pid=$!
    trap stop_server EXIT
    trap 'exit 0' INT TERM HUP
    until ready "$LISTEN"; do
        if ! kill -0 "$server_pid" 2>/dev/null || ((SECONDS >= deadline)); then
            cat "$spoken"
            rm -f "$spoken"
            tail -n 20 "$DATA/server.log" >&2
            die "the server did not become ready; its log is $DATA/server.log"
        fi
        sleep 0.1
    done
    cat "$spoken"
    rm -f "$spoken"
}

# shown COMMAND...: prints the command as one would type it, then runs it.
shown() {
    printf '\n$ hw %s\n' "$*"
    "$HW" "$@"
}

job_state() { "$HW" sacct -j "$1" -X -n -P -o State | head -n 1; }

wait_for_end() {
    local deadline=$((SECONDS + END_WITHIN_S))
    while case $(job_state "$1") in PENDING | RUNNING | COMPLETING | HELD) true ;; *) false ;; esac do
        ((SECONDS < deadline)) || die "job $1 has not ended: see \`hw show $1\`"
        sleep 0.2
    done
}

tell_the_story() {
    heading "What the platform has: this machine"
    shown pools
    heading "What the sample job would cost and when it would start (nothing is submitted yet)"
    shown quote "$SAMPLE"
    heading "Submitting it"
    printf '\n$ hw submit %s\n' "$SAMPLE"
    local job
    job=$("$HW" submit --quiet "$SAMPLE")
    printf 'job %s\n' "$job"
    heading "Why it runs where it runs"
    shown explain "$job"
    heading "Its output, live"
    shown logs -f "$job"
    wait_for_end "$job"
    heading "What happened to it, and what it used"
    shown show "$job"
    heading "What the tenant pays"
    shown bill --job "$job"
    heading "What the operator keeps"
    shown margin
}

if ready "$LISTEN"; then
    say "a server answers on $LISTEN already; using it"
else
    start_server
fi

[ -r "$DATA/admin-token" ] || die "$DATA/admin-token is missing: the server on $LISTEN keeps its data elsewhere (set HW_DATA)"
HW_TOKEN=$(cat "$DATA/admin-token")
export HW_TOKEN HW_URL="http://$LISTEN"

tell_the_story

heading "The platform is up"
cat <<TEXT

  page        $HW_URL  (user admin; its one-time password is printed above at the first start, and only then)
  by hand     export HW_URL=$HW_URL HW_TOKEN=\$(cat $DATA/admin-token) PATH=$(dirname "$HW"):\$PATH
              hw submit --wait examples/hello/hello.sh
  data, log   $DATA, $DATA/server.log
TEXT

if [ -z "$server_pid" ]; then
    printf '  stop        it was running before; stop it where it was started\n'
elif [ "${HW_UP_DETACH:-0}" = 1 ]; then
    printf '  stop        kill -TERM %d\n' "$server_pid"
    trap - EXIT INT TERM HUP
else
    printf '  stop        Ctrl-C\n'
    rc=0
    wait "$server_pid" || rc=$?
    die "the server ended by itself (exit code $rc); its log is $DATA/server.log"
fi
