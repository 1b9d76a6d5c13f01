#!/bin/bash
# Headworks @KEY@
# Runs the script that follows the last line of this text, once. No word of it, of its arguments or of its variables is read by
# this shell: they are cut out by length. What is written beside the fence proves the course of the attempt.
hw_at=@AT@ hw_plan_size=@PLAN@ hw_script_size=@SCRIPT@ hw_coded=@CODED@
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin}"
[ -n "$HOME" ] || { unset HOME; export HOME=~; }

unset SUDO_COMMAND SUDO_USER SUDO_UID SUDO_GID

hw_fields=()
while IFS= read -r -d '' hw_field; do
  hw_fields+=("$hw_field")
done < <(tail -c "+$hw_at" -- "$0" | head -c "$hw_plan_size" | base64 -d)
hw_now() {
  hw_time=${EPOCHREALTIME:-$(date +%s.%N)}
  hw_time=${hw_time/,/.}
}
# A file is there whole or not at all.
hw_write() {
  printf '%s\n' "$2" >"$hw_dir/$1.$hw_mark" && mv -f -- "$hw_dir/$1.$hw_mark" "$hw_dir/$1"
}
hw_fail() {
  printf 'headworks: %s\n' "$1" >&2
  hw_now
  hw_write ended "$hw_time $hw_job - - $1"
  exit @UNPREPARED@
}
# A slurmd that was started again may launch a job a second time, and would take the end of this copy for the job's: it stays for
# as long as the first launch, on this node, works, passes on what may end it, and ends in the same way.
hw_attend() {
  # A controller that was set back to an older state launches a job once more after its end. Where the platform reads what stands
  # beside the fence, this exit makes it do so: Slurm's times are those of a launch that did nothing.
  if [ @LOOKS@ = 1 ] && ! kill -0 "$hw_pid" 2>/dev/null; then
    printf 'headworks: this job has been launched before, and that launch is over\n' >&2
    exit @SUPERSEDED@
  fi
  printf 'headworks: this job has been launched twice; the first launch goes on\n' >&2
  trap 'kill -48 "$hw_pid" 2>/dev/null' TERM
  while kill -0 "$hw_pid" 2>/dev/null; do sleep 0.5; done
  trap - TERM
  IFS=' ' read -r hw_begun hw_rest 2>/dev/null <"$hw_dir/started"
  IFS=' ' read -r hw_over hw_other hw_code hw_signal hw_rest 2>/dev/null <"$hw_dir/ended"
  # An end from before this start is that of an earlier run; without one nobody knows.
  if [ "${hw_other:-}" != "$hw_job" ] || [ -z "${hw_begun:-}" ] || [ "$(hw_micros "$hw_over")" -lt "$(hw_micros "$hw_begun")" ]; then
    exit @SUPERSEDED@
  fi
  [ "$hw_code" != - ] || exit @UNPREPARED@
  ulimit -c 0
  [ "$hw_signal" = 0 ] || kill "-$hw_signal" "$$"
  exit "$hw_code"
}
hw_micros() {
  local fraction=${1#*.}000000
  printf '%s' "${1%%.*}${fraction:0:6}"
}
hw_job=${SLURM_JOB_ID:-0} hw_restarts=${SLURM_RESTART_COUNT:-0}
hw_mark=$hw_job.$hw_restarts.$$
hw_count=${#hw_fields[@]}
if [ "$hw_count" -lt 10 ] || [ "${hw_fields[0]}" != headworks-1 ] || [ "${hw_fields[hw_count - 1]}" != end ]; then
  printf 'headworks: this text has been changed on its way\n' >&2
  exit @UNPREPARED@
fi
hw_dir=${hw_fields[1]} hw_work=${hw_fields[2]} hw_make=${hw_fields[3]} hw_append=${hw_fields[4]}
hw_stdin=${hw_fields[5]} hw_stdout=${hw_fields[6]} hw_stderr=${hw_fields[7]}
hw_env=("${hw_fields[@]:9:${hw_fields[8]}}")
# Programs of the cluster come first: the submitter's search path is that of another machine.
for hw_number in "${!hw_env[@]}"; do
  case ${hw_env[hw_number]} in PATH=*) hw_env[hw_number]=PATH=$PATH:${hw_env[hw_number]#PATH=} ;; esac
done
hw_args=("${hw_fields[@]:9 + ${hw_fields[8]}:hw_count - 10 - ${hw_fields[8]}}")

# The fence: a folder that is there with its owner's name in it, or not at all. Whoever does not own it is one too many.
hw_umask=$(umask)
umask 077
if ! mkdir -p -- "$hw_dir"; then
  printf 'headworks: cannot make %s\n' "$hw_dir" >&2
  exit @UNPREPARED@
fi
hw_me="$hw_job $hw_restarts ${HOSTNAME:-unknown} $$"
hw_mine=$hw_dir/fence.$hw_mark
mkdir -- "$hw_mine" && printf '%s\n' "$hw_me" >"$hw_mine/owner" && mv -T -- "$hw_mine" "$hw_dir/fence" 2>/dev/null
rm -rf -- "$hw_mine"
hw_owner=
IFS= read -r hw_owner 2>/dev/null <"$hw_dir/fence/owner"
if [ -z "$hw_owner" ] && [ ! -e "$hw_dir/fence" ] && [ ! -e "$hw_dir/stop" ]; then
  printf 'headworks: cannot write in %s: is the disk full?\n' "$hw_dir" >&2
  exit @UNPREPARED@
fi
if [ "$hw_owner" != "$hw_me" ]; then
  IFS=' ' read -r hw_other hw_other_restarts hw_rest <<<"$hw_owner"
  # Slurm itself may start a job of its own again.
  if [ "$hw_other" = "$hw_job" ] && [ "$hw_restarts" -gt "${hw_other_restarts:-0}" ]; then
    hw_write fence/owner "$hw_me"
  elif [ "$hw_other" = "$hw_job" ] && IFS=' ' read -r hw_host hw_pid <<<"$hw_rest" && [ "$hw_host" = "${HOSTNAME:-unknown}" ]; then
    hw_attend
  else
    printf 'headworks: job %s has this work already\n' "${hw_other:-?}" >&2
    exit @SUPERSEDED@
  fi
fi
# Looked at behind the fence: whoever writes it looks at the fence afterwards, so that one of the two sees the other.
if [ -e "$hw_dir/stop" ]; then
  rm -rf -- "$hw_dir/fence"
  printf 'headworks: it was ended before it began\n' >&2
  exit @STOPPED@
fi

if [ "$hw_script_size" = staged ]; then
  mv -f -- "$hw_dir/staged" "$hw_dir/script" 2>/dev/null || [ -s "$hw_dir/script" ] || hw_fail 'the script is not there'
else
  hw_at=$((hw_at + hw_plan_size))
  if [ "$hw_coded" = 1 ]; then
    tail -c "+$hw_at" -- "$0" | base64 -d
  else
    tail -c "+$hw_at" -- "$0" | head -c "$hw_script_size"
  fi >"$hw_dir/script"
  hw_found=$(wc -c <"$hw_dir/script")
  [ "$((hw_found))" = "$hw_script_size" ] || hw_fail "the script has $((hw_found)) bytes instead of $hw_script_size: is the disk full?"
fi
chmod 700 -- "$hw_dir/script" || hw_fail 'the script cannot be made executable'
if [ "$hw_make" = 1 ]; then
  mkdir -p -- "$hw_work" || hw_fail "cannot make the work folder $hw_work"
fi
cd -- "$hw_work" || hw_fail "cannot enter the work folder $hw_work"
umask "$hw_umask"
hw_node=${SLURMD_NODENAME:-${HOSTNAME:-}}
hw_node=${hw_node%%.*}
hw_stdin=${hw_stdin//@NODE@/$hw_node} hw_stdout=${hw_stdout//@NODE@/$hw_node} hw_stderr=${hw_stderr//@NODE@/$hw_node}
exec 3>&2
{ exec <"$hw_stdin"; } 2>/dev/null || hw_fail "cannot read $hw_stdin"
# What an earlier run of it wrote is kept.
if [ "$hw_append" = 1 ] || [ "$hw_restarts" -gt 0 ]; then
  { exec 4>>"$hw_stdout"; } 2>/dev/null || hw_fail "cannot write to $hw_stdout"
  if [ -n "$hw_stderr" ]; then { exec 5>>"$hw_stderr"; } 2>/dev/null || hw_fail "cannot write to $hw_stderr"; fi
else
  { exec 4>"$hw_stdout"; } 2>/dev/null || hw_fail "cannot write to $hw_stdout"
  if [ -n "$hw_stderr" ]; then { exec 5>"$hw_stderr"; } 2>/dev/null || hw_fail "cannot write to $hw_stderr"; fi
fi
[ -n "$hw_stderr" ] || exec 5>&4
exec >&4 2>&5 4>&- 5>&-

hw_now
hw_started="$hw_time $hw_me"
hw_write started "$hw_started" 2>&3 || { printf 'headworks: cannot write in %s\n' "$hw_dir" >&3; exit @UNPREPARED@; }
unset SLURM_EXPORT_ENV SLURM_GET_USER_ENV
# Slurm signals every process of the job, so the script has ordinary signals already: what waits for it only outlives them. Those
# meant for the script's own process alone arrive as real-time signals, 33 above their number, and are passed on.
hw_run='
  my ($dir, $mark, $job, @run) = @ARGV;
  my $pid;
  $SIG{$_} = sub { } for qw(HUP INT QUIT USR1 USR2 ALRM TERM CONT);
  for my $n (1 .. 31) {
    my $name = $n == 1 ? "RTMIN" : $n == 31 ? "RTMAX" : "NUM" . (33 + $n);
    $SIG{$name} = sub { kill $n, $pid if $pid };
  }
  $pid = fork;
  exit 126 unless defined $pid;
  if (!$pid) { exec { $run[0] } @run; exit 127 }
  while (waitpid($pid, 0) < 0 && $! == 4) { }
  my ($code, $signal) = ($? >> 8, $? & 127);
  my $time = eval { require Time::HiRes; Time::HiRes::time() } || time;
  unlink "$dir/script";
  if (open my $file, ">", "$dir/ended.$mark") {
    printf $file "%.6f %s %d %d\n", $time, $job, $code, $signal;
    rename "$dir/ended.$mark", "$dir/ended" if close $file;
  }
  exec "/bin/bash", "-c", q(ulimit -c 0; kill "-$0" "$$"), $signal if $signal;
  exit $code;
'
exec 3>&-
if perl -e 'exit 7' 2>/dev/null; [ "$?" = 7 ]; then
  exec perl -e "$hw_run" -- "$hw_dir" "$hw_mark" "$hw_job" env -- "${hw_env[@]}" "$hw_dir/script" "${hw_args[@]}"
fi
# Where there is no perl: a shell cannot tell whether what it waited for exited with 143 or was ended by signal 15, so such an
# end stays the number it is.
# Signals are ignored here and not by the script: a trap that runs while a child ends makes some shells lose its status.
trap '' HUP INT QUIT USR1 USR2 ALRM TERM CONT
for hw_number in {1..31}; do
  trap "hw_again=1; kill -$hw_number \"\$hw_child\" 2>/dev/null" "$((33 + hw_number))"
done
(
  # A handler keeps INT and QUIT from staying ignored in a process behind a shell; it does not outlive the exec.
  trap - HUP USR1 USR2 ALRM TERM CONT
  trap : INT QUIT
  exec env -- "${hw_env[@]}" "$hw_dir/script" "${hw_args[@]}"
) <&0 &
hw_child=$!
while :; do
  hw_again=
  wait "$hw_child" 2>/dev/null
  hw_code=$?
  [ -n "$hw_again" ] || break
done
[ "$hw_code" -ge 0 ] || hw_code=143
rm -f -- "$hw_dir/script"
hw_now
hw_write ended "$hw_time $hw_job $hw_code 0"
exit "$hw_code"
