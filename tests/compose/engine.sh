# A Docker engine for tests/compose/run: the one that is there, or one of its own that is gone again afterwards.
#
# The own engine leaves the machine's network as it is: no firewall rules, no forwarding, no default bridge. So containers
# have no way out, which they do not need; only building does, and there uses the host's network. Its images stay in a
# directory between runs.
# shellcheck shell=bash

readonly ENGINE_SECONDS=60
readonly STAND_IN=midstream-stand-in:13
# What stands in for debian:13-slim.
readonly STAND_IN_SUITE=trixie
# Whether a registry can be reached; it is asked for the base image.
readonly PULL_SECONDS=60

engine_pid=

engine_answers() {
    docker info >/dev/null 2>&1
}

# engine_open DIR CACHE: 1 with a reason on standard output if there can be none.
engine_open() {
    ! engine_answers || return 0
    if ((EUID != 0)); then
        printf 'no engine answers, and only root can start one\n'
        return 1
    fi
    mkdir -p "$1/engine" "$2"
    # The engine keeps it, too, for as long as it runs.
    exec 8>"$2.lock"
    flock -n 8 || { printf 'another engine uses %s\n' "$2" && return 1; }
    export DOCKER_HOST=unix://$1/engine/docker.sock
    setsid dockerd --host "$DOCKER_HOST" --data-root "$2" --exec-root "$1/engine/exec" --pidfile "$1/engine/dockerd.pid" \
        --iptables=false --ip6tables=false --ip-forward=false --bridge=none </dev/null >"$1/engine/dockerd.log" 2>&1 &
    engine_pid=$!
    disown "$engine_pid"
    export BUILD_NETWORK=host
    if ! wait_until "$ENGINE_SECONDS" engine_answers_or_is_gone || ! engine_answers; then
        printf 'dockerd does not start here; the end of its log:\n%s\n' "$(tail -n 15 "$1/engine/dockerd.log")"
        return 1
    fi
}

engine_answers_or_is_gone() {
    process_is_gone "$engine_pid" || engine_answers
}

# engine_close DIR: ends containerd and the containers with it, and gives back what dockerd leaves mounted.
engine_close() {
    [[ -n $engine_pid ]] || return 0
    process_end "$engine_pid" "$ENGINE_SECONDS"
    awk -v dir="$1/engine/" 'index($2, dir) == 1 {print $2}' /proc/mounts | xargs -r umount
}

# Exports what the images are built on: debian:13-slim, or a stand-in where no registry can be reached.
choose_base() {
    local base=debian:13-slim
    if ! docker image inspect "$base" >/dev/null 2>&1 && ! timeout "$PULL_SECONDS" docker pull -q "$base" >/dev/null 2>&1; then
        base=$STAND_IN
        docker image inspect "$base" >/dev/null 2>&1 || make_stand_in "$1"
    fi
    export BUILD_BASE=$base RUN_BASE=$base
}

# make_stand_in DIR
make_stand_in() {
    local mirror
    say "no registry can be reached; making $STAND_IN with debootstrap"
    mirror=$(debian_mirror)
    debootstrap --variant=minbase "$STAND_IN_SUITE" "$1/root" "$mirror" >"$1/debootstrap.log" 2>&1 ||
        die "debootstrap failed: $(tail -n 5 "$1/debootstrap.log")"
    # As a slim image is.
    rm -rf "$1"/root/var/cache/apt/* "$1"/root/var/lib/apt/lists/* "$1"/root/usr/share/{doc,locale,man,info}/*
    tar -C "$1/root" -c . | docker import - "$STAND_IN" >/dev/null
    rm -rf "$1/root"
}

# Prints the first mirror of Debian that this machine's apt uses.
debian_mirror() {
    # The format is apt's.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "Debian" && !found {print $3; found = 1}'
}
