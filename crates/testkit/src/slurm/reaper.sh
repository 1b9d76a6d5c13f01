# Waits until the farm's process is gone (its end of our standard input closes, however it ended), then ends all that
# belongs to the farm and removes its folder of sockets. Knows its processes by their environment, never by name alone.
run=$1
read -r _
dir=$(cat "$run/dir" 2>/dev/null)
if [ -z "$dir" ]; then
    rm -rf "$run"
    exit
fi

# Daemons carry our mark. Payloads carry the cluster's configuration and a job's number; a person's shell that only
# looks at the cluster has no job's number. slurmstepd and sshd overwrite their environment with their title: the one is
# known by its folder, the other by its configuration.
marked() {
    {
        grep -lzsxF "HW_FARM=$run" /proc/[0-9]*/environ
        grep -lzsF "SLURM_CONF=$dir/" /proc/[0-9]*/environ | xargs -r grep -lzs '^SLURM_JOB_ID='
        grep -lsx slurmstepd /proc/[0-9]*/comm | while IFS= read -r file; do
            [[ $(readlink "${file%/comm}/cwd")/ == "$dir"/* ]] && printf '%s\n' "$file"
        done
        grep -lsF "$dir/" /proc/[0-9]*/cmdline | while IFS= read -r file; do
            [[ $(readlink "${file%/cmdline}/exe") == */sshd* ]] && printf '%s\n' "$file"
        done
    } | sed -E 's#^/proc/([0-9]+)/.*#\1#'
}

# The marked processes, what they started, and the SSH sessions around them.
members() {
    local -A parent=() member=()
    local pid stat rest more
    for stat in /proc/[0-9]*/stat; do
        pid=${stat#/proc/} pid=${pid%/stat}
        { IFS= read -r rest <"$stat"; } 2>/dev/null || continue
        rest=${rest##*) }
        # A zombie has ended, and whoever should take note of it is not ours to wait for.
        [[ $rest == [ZX]* ]] && continue
        rest=${rest#* }
        parent[$pid]=${rest%% *}
    done
    for pid in $(marked); do
        [ -n "${parent[$pid]}" ] || continue
        member[$pid]=1
        more=${parent[$pid]}
        [[ $(readlink "/proc/$more/exe") == */sshd* ]] && member[$more]=1
    done
    more=1
    while [ $more = 1 ]; do
        more=0
        for pid in "${!parent[@]}"; do
            if [ -z "${member[$pid]}" ] && [ -n "${member[${parent[$pid]}]}" ]; then
                member[$pid]=1 more=1
            fi
        done
    done
    unset "member[$$]" "member[1]"
    printf '%s\n' "${!member[@]}"
}

# A process may fork while we look: look again until nobody is left. 200 rounds of 50 ms are more than any end takes.
for ((round = 0; round < 200; round++)); do
    mapfile -t pids < <(members)
    alive=()
    for pid in "${pids[@]}"; do
        [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null && alive+=("$pid")
    done
    [ ${#alive[@]} -gt 0 ] || break
    sleep 0.05
done
rm -rf "$run"
