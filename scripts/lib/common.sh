# What the scripts share. Source it; it needs `set -euo pipefail` and a name to speak under in `script_name`.
# shellcheck shell=bash

# It would send a `cd` elsewhere, and print where.
unset CDPATH

# Debian keeps servers in /usr/sbin, which is not on everybody's path.
PATH="$PATH:/usr/sbin:/sbin"
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034  # for whoever sources this file
readonly ROOT

say() {
    printf '%s: %s\n' "${script_name:-midstream}" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Root gives up its rights by this command, where it works in another user's directory: names in there may lead anywhere.
# Otherwise it is empty.
AS_USER=()

# What runs there gets neither the lock of the run (9) nor root's terminal, into which it could type.
as_user() {
    if ((${#AS_USER[@]} > 0)); then
        setsid --wait "${AS_USER[@]}" "$@" 9<&-
    else
        "$@" 9<&-
    fi
}

# signal_process NAME PID
signal_process() {
    if ((${#AS_USER[@]} > 0)); then
        # shellcheck disable=SC2016  # the other bash's
        as_user bash -c 'kill "-$1" "$2"' - "$1" "$2" 2>/dev/null
    else
        kill "-$1" "$2" 2>/dev/null
    fi
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds. Returns 1 when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}
