# TCP ports of this machine, read from the kernel's table: needs no tool, and sees listeners on every address.
# shellcheck shell=bash

port_is_free() {
    local hex listen_state=0A
    printf -v hex '%04X' "$1"
    ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$hex" -v state="$listen_state" '$4 == state && substr($2, length($2) - 4) == port {found = 1} END {exit !found}'
}

# port_pick [PORT...]: prints a free port, which is none of these, below the range from which the kernel takes the ports of
# outgoing connections.
port_pick() {
    local port
    while :; do
        port=$((10000 + (RANDOM << 15 | RANDOM) % 22000))
        if [[ " $* " != *" $port "* ]] && port_is_free "$port"; then
            printf '%s\n' "$port"
            return 0
        fi
    done
}
