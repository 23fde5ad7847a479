# Processes known by pid files. A number in a file proves nothing, since numbers are used again: a process is ours when
# its standard error is a file of our directory, or its command line names one.
# shellcheck shell=bash

# process_of PIDFILE DIR: prints the pid, when that process lives and is ours.
process_of() {
    local pid
    pid=$(pid_in "$1") && process_is_ours "$pid" "$2" && printf '%s\n' "$pid"
}

# pid_in PIDFILE: prints the number in it, whether or not there is such a process.
pid_in() {
    local pid=
    [[ -f $1 && -r $1 ]] || return 1
    read -r pid <"$1" || :
    [[ $pid =~ ^[1-9][0-9]*$ ]] && printf '%s\n' "$pid"
}

process_is_ours() {
    ! process_is_gone "$1" || return 1
    [[ $(readlink "/proc/$1/fd/2") == "$2/"* || $(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline") == *"$2/"* ]]
}

# A zombie counts as gone: it holds nothing any more. The state stands behind the command, which is in parentheses and
# may hold spaces.
process_is_gone() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
    [[ ${line##*) } == Z* ]]
}

# group_of PGID DIR: prints the processes of that group that are ours. A group keeps its number from being used again, so
# this finds what a killed master has left behind.
group_of() {
    local pid
    cat /proc/[0-9]*/stat 2>/dev/null |
        awk -v group="$1" '{pid = $1; sub(/.*\) /, ""); if ($3 == group) print pid}' |
        while read -r pid; do
            ! process_is_ours "$pid" "$2" || printf '%s\n' "$pid"
        done || :
}

# process_end PID SECONDS: SIGTERM, and SIGKILL when that was not enough.
process_end() {
    signal_process TERM "$1" || :
    wait_until "$2" process_is_gone "$1" && return 0
    say "process $1 did not end within $2 s of SIGTERM; killing it"
    signal_process KILL "$1" || :
    wait_until 5 process_is_gone "$1"
}
