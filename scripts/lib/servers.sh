# The servers of a run: Redis, the workers, the workers of background tasks (if the program has any), nginx. Everything they own is in DIR.
#
# Each is a child of scripts/run that leads a session of its own, so that Ctrl-C reaches only the script, which then stops
# them in order. Their pid files are DIR/NAME.pid, their logs DIR/NAME.log.
# shellcheck shell=bash

# shellcheck disable=SC2034  # for whoever sources this file
readonly SERVERS=(redis midstream work nginx)
readonly READY_SECONDS=30
# How long the workers may drain before nginx is stopped under them, so that the clients leave and the streams end: longer
# than they take by default. How long each server then has before it is killed.
readonly DRAIN_SECONDS=15
readonly END_SECONDS=10
readonly NGINX_STARTS=5

# By name: the pid of what was started here, and the size of its log before.
declare -A SERVER_PID=() SERVER_LOG_BYTES=()

# server_start NAME COMMAND...
server_start() {
    local name=$1
    shift
    SERVER_LOG_BYTES[$name]=$(stat -c %s "$DIR/$name.log")
    # 9 is the lock of the run, which has to end with the script.
    # shellcheck disable=SC2016  # the other bash's
    setsid "${AS_USER[@]}" bash -c 'exec "${@:2}" >>"$1" 2>&1' - "$DIR/$name.log" "$@" </dev/null >/dev/null 2>&1 9<&- &
    SERVER_PID[$name]=$!
    # Or bash would comment on its end.
    disown "$!"
}

# server_await NAME CONDITION...: 1 when the server has ended, or the time is over, before the condition was true.
server_await() {
    local name=$1 pid=${SERVER_PID[$1]}
    shift
    wait_until "$READY_SECONDS" ready_or_gone "$pid" "$@"
    ! process_is_gone "$pid" && "$@"
}

ready_or_gone() {
    local pid=$1
    shift
    process_is_gone "$pid" || "$@"
}

# server_log NAME: what it has logged since it was started.
server_log() {
    as_user tail -c "+$((SERVER_LOG_BYTES[$1] + 1))" "$DIR/$1.log"
}

# What a failure ends: `run`, the script, which stops the other servers; or `start`, the function that has started it.
FAILURE_ENDS=run

# tell_log NAME: the end of it.
tell_log() {
    say "the end of $DIR/$1.log:"
    server_log "$1" | tail -n 20 | LC_ALL=C tr -d '\000-\010\013-\037\177' | sed 's/^/    /' >&2
}

# server_failed NAME WHAT: tells the user.
server_failed() {
    say "$1 $2"
    tell_log "$1"
    [[ $FAILURE_ENDS == start ]] || exit 1
    return 1
}

# -------------------- starting --------------------

# One of the user's own is named by the program's own setting; then none is started.
redis_start() {
    redis_flag=()
    [[ -z ${MIDSTREAM_REDIS:-} ]] || return 0
    redis_flag=(--redis "unix:$DIR/redis.sock")
    server_start redis redis-server "$ROOT/scripts/redis.conf" --port 0 --unixsocket "$DIR/redis.sock" \
        --unixsocketperm 770 --dir "$DIR/redis" --pidfile "$DIR/redis.pid"
    server_await redis redis_answers || server_failed redis "did not start"
}

# Not while it is still loading its data.
redis_answers() {
    [[ $(redis-cli -s "$DIR/redis.sock" ping 2>/dev/null) == PONG ]]
}

# midstream_start PROGRAM WORKERS: each worker has a socket of its own, so that nginx shares out the streams evenly
# (docs/adr/0007-a-socket-for-each-worker.md).
midstream_start() {
    worker_count=$2
    ((worker_count > 0)) || worker_count=$(nproc)
    local said
    [[ -e $DIR/keys ]] || said=$(as_user "$1" keygen --keys "$DIR/keys" 2>&1 9<&-) || die "midstream keygen failed: $said"
    server_start midstream "$1" serve --listen "unix:$DIR/worker-%.sock" "${redis_flag[@]}" \
        --keys "$DIR/keys" --workers "$worker_count" --pidfile "$DIR/midstream.pid" --admin "unix:$DIR/admin.sock" \
        --cookie-secure no
    server_await midstream midstream_listens || server_failed midstream "did not start"
}

midstream_listens() {
    [[ -S $DIR/worker-$((worker_count - 1)).sock && -s $DIR/midstream.pid ]]
}

# work_start PROGRAM WORKERS: the processes that do background tasks, if the program knows any.
work_start() {
    (($2 > 0)) && [[ -n $(as_user "$1" task types 2>/dev/null) ]] || return 0
    server_start work "$1" work "${redis_flag[@]}" --keys "$DIR/keys" --workers "$2" \
        --pidfile "$DIR/work.pid" --admin "unix:$DIR/work-admin.sock" --cookie-secure no
    server_await work test -s "$DIR/work.pid" || server_failed work "did not start"
}

# midstream_restart PROGRAM WORKERS TASK_WORKERS: ends the program that runs, and starts this one in its place. 1: it does not
# start; the other servers go on.
midstream_restart() {
    local name status=0
    for name in midstream work; do
        server_end "$name"
        unset "SERVER_PID[$name]"
        as_user rm -f "$DIR/$name.pid"
    done
    FAILURE_ENDS=start
    midstream_start "$1" "$2" && work_start "$1" "$3" && nginx_reload "$1" || status=1
    FAILURE_ENDS=run
    return "$status"
}

# The workers' sockets, as nginx's upstream lists them.
midstream_upstream() {
    local number
    for ((number = 0; number < worker_count; number++)); do
        printf 'server "unix:%s/worker-%d.sock" max_fails=0; ' "$DIR" "$number"
    done
}

# nginx_start PORT PROGRAM: 0 picks a free port. Sets `url`, and writes DIR/url and DIR/url-h2. Between the look at a port and its use somebody
# else may have taken it, hence the repetition.
nginx_start() {
    local port h2_port attempt status
    for ((attempt = 1; attempt <= NGINX_STARTS; attempt++)); do
        port=$1
        ((port != 0)) || port=$(port_pick)
        port_is_free "$port" || die "port $port is taken by another program; name another with --port, or 0 for any"
        h2_port=$(port_pick "$port")
        nginx_launch "$port" "$h2_port" "$2"
        status=0
        application_await "http://127.0.0.1:$port" || status=$?
        if ((status == 0)); then
            url=http://127.0.0.1:$port
            # shellcheck disable=SC2016  # the other shell's
            as_user sh -c 'printf "%s\n" "$2" >"$1/url" && printf "%s\n" "$3" >"$1/url-h2"' - "$DIR" "$url" \
                "http://127.0.0.1:$h2_port"
            return 0
        fi
        ((status == 1)) || start_failed
        [[ $(server_log nginx) == *'Address already in use'* ]] || break
    done
    tell_log midstream
    server_failed nginx "did not start, or the application does not answer through it"
}

# nginx_launch PORT H2_PORT PROGRAM
nginx_launch() {
    local open_files hsts global='daemon off;'
    open_files=$(ulimit -n)
    hsts=$(nginx_hsts)
    # Started by root, it would make its workers another user, who cannot read what belongs to root.
    ((EUID != 0 || ${#AS_USER[@]} > 0)) || global+=' user root;'
    local -a values=("DIR=$DIR" "WEB=${web:-/nonexistent}" "LISTEN=127.0.0.1:$1"
        "LISTEN_H2=$(nginx_listen_h2 "127.0.0.1:$2")" "UPSTREAM=$(midstream_upstream)"
        "ACCESS_LOG=$(nginx_access_log)" "HSTS=$hsts" "OPEN_FILES=$open_files"
        "CONNECTIONS=$((open_files < 65536 ? open_files : 65536))")
    render "$ROOT/nginx" "$DIR/nginx" "${values[@]}"
    # An application has neither the demonstration's locations nor, without --web, its page.
    [[ -z $application ]] || as_user cp /dev/null "$DIR/nginx/application.conf"
    [[ -n $web ]] || as_user cp /dev/null "$DIR/nginx/web.conf"
    [[ -z $nginx ]] || render "$nginx" "$DIR/nginx" "${values[@]}"
    routes_render "$3"
    server_start nginx nginx -e "$DIR/nginx.log" -c "$DIR/nginx/nginx.conf" -g "$global"
}

# routes_render PROGRAM: the locations of routes with limits of their own.
routes_render() {
    [[ -n $application ]] || return 0
    # shellcheck disable=SC2016  # the other shell's
    as_user sh -c '"$1" nginx >"$2"' - "$1" "$DIR/nginx/routes.conf" ||
        say "the program does not say which locations its routes need; nginx's own limits hold"
}

# As nginx_render, by whoever the files will belong to.
render() {
    if ((${#AS_USER[@]} > 0)); then
        # shellcheck disable=SC2016  # the other bash's
        as_user bash -c 'set -euo pipefail && . "$0" && nginx_render "$@"' "$ROOT/scripts/lib/nginx.sh" "$@"
    else
        nginx_render "$@"
    fi
}

# nginx_reload PROGRAM: another one than before, whose routes may have other limits.
nginx_reload() {
    routes_render "$1"
    signal_process HUP "${SERVER_PID[nginx]}"
    application_await "$url" || start_failed
}

nginx_access_log() {
    if [[ ${RUN_ACCESS_LOG:-on} == off ]]; then
        printf 'off'
    else
        printf '"%s/access.log" midstream buffer=32k flush=1s' "$DIR"
    fi
}

# nginx_answers URL: its pid file comes after its sockets, so it is not another program that answers. What the application
# says does not matter, as long as it is the application.
nginx_answers() {
    [[ -s $DIR/nginx.pid ]] || return 1
    local status
    status=$(as_user curl -s --noproxy '*' --max-time 5 -o /dev/null -w '%{http_code}' --url "$1/null") && ((status < 500))
}

# application_await URL: 1 when it does not answer; 2 when it says itself that it does not start. It is tried again then, but
# whoever develops it need not wait for that.
application_await() {
    local state=unknown
    server_await nginx application_is_known "$1" || return 1
    [[ $state == answers ]] || return 2
}

# application_is_known URL: sets `state`.
application_is_known() {
    [[ $state == unknown ]] || return 0
    [[ -s $DIR/nginx.pid ]] || return 1
    if nginx_answers "$1"; then
        state=answers
    elif [[ $(server_log midstream) == *worker.start-failed* ]]; then
        state=failed
    fi
    [[ $state != unknown ]]
}

start_failed() {
    server_failed midstream "did not start: the application's on_start has failed"
}

# -------------------- stopping --------------------

# What tells that a run is there.
run_files_remove() {
    as_user rm -f "$DIR"/{redis,midstream,work,nginx}.pid "$DIR"/{redis,admin,work-admin,worker-*}.sock "$DIR"/url "$DIR"/url-h2
}

# Returns 1 when something of ours is still there.
servers_stop() {
    local pid name status=0
    # First the workers, while nginx still carries their last bytes.
    if pid=$(server_pid midstream); then
        signal_process TERM "$pid" || :
        wait_until "$DRAIN_SECONDS" process_is_gone "$pid" || say "requests are still open; closing their connections"
    fi
    for name in nginx midstream work redis; do
        server_end "$name" || status=1
    done
    run_files_remove
    return "$status"
}

# server_pid NAME: prints the pid of the server, if it runs.
server_pid() {
    local child=${SERVER_PID[$1]:-}
    if [[ -n $child ]] && ! process_is_gone "$child"; then
        printf '%s\n' "$child"
    else
        process_of "$DIR/$1.pid" "$DIR"
    fi
}

# server_processes NAME: prints the server's processes, also those that a killed master has left behind.
server_processes() {
    local master=${SERVER_PID[$1]:-}
    [[ -n $master ]] || master=$(pid_in "$DIR/$1.pid") || return 0
    group_of "$master" "$DIR"
}

server_end() {
    local pid status=0
    if pid=$(server_pid "$1"); then
        process_end "$pid" "$END_SECONDS" || status=1
    fi
    for pid in $(server_processes "$1"); do
        process_end "$pid" "$END_SECONDS" || status=1
    done
    ((status == 0)) || say "$1 could not be stopped"
    return "$status"
}
