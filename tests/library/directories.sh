# midstream-run and directories that are not its own. Sourced by run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root, prefix, as_nobody: run's

# `--dir .` beside a directory nginx/ would write over it.
nginx_files_stay() {
    local dir=$root/own
    mkdir -p "$dir/nginx"
    printf '# mine\n' >"$dir/nginx/application.conf"
    (
        cd "$dir"
        says 'cannot be' "$prefix/bin/midstream-run" "$root/application" --dir . --nginx nginx --port 0 --detach &&
            says 'is there already' "$prefix/bin/midstream-run" "$root/application" --dir . --port 0 --detach
    ) || return 1
    [[ $(<"$dir/nginx/application.conf") == '# mine' && ! -e $dir/url ]]
}

# A directory of `nobody`, in which every name that a run writes leads to root's files.
links_of_others_lead_nowhere() {
    local dir=$root/nobodys target=$root/roots name
    mkdir -p "$target/new"
    for name in run.pid run.lock url url-h2 redis.log midstream.log work.log nginx.log access.log keys; do
        rm -rf "$dir"
        install -d -o nobody -g nogroup "$dir"
        printf 'of root\n' >"$target/file"
        "${as_nobody[@]}" ln -s "$target/file" "$dir/$name"
        "$prefix/bin/midstream-run" "$root/application" --dir "$dir" --port 0 --detach >/dev/null 2>&1 || :
        "$prefix/bin/midstream-run" --stop --dir "$dir" >/dev/null 2>&1 || :
        [[ $(<"$target/file") == 'of root' && $(stat -c %U "$target/file") == root ]] || { printf '%s was written\n' "$name"; return 1; }
    done
    for name in nginx redis; do
        rm -rf "$dir"
        install -d -o nobody -g nogroup "$dir"
        "${as_nobody[@]}" ln -s "$target/new" "$dir/$name"
        "$prefix/bin/midstream-run" "$root/application" --dir "$dir" --port 0 --detach >/dev/null 2>&1 || :
        "$prefix/bin/midstream-run" --stop --dir "$dir" >/dev/null 2>&1 || :
        [[ -z $(ls -A "$target/new") ]] || { printf '%s was written\n' "$name"; return 1; }
    done
}

# Pid files of `nobody` that name a process of root's, which looks as if it were the run's.
strangers_are_not_ended() {
    local dir=$root/nobodys stranger holder name alive=yes
    rm -rf "$dir"
    install -d -o nobody -g nogroup "$dir"
    tail -f /dev/null 2>>"$root/strangers.log" "$dir/" &
    stranger=$!
    "${as_nobody[@]}" touch "$dir/run.lock"
    for name in run redis midstream work nginx; do
        printf '%s\n' "$stranger" | "${as_nobody[@]}" tee "$dir/$name.pid" >/dev/null
    done
    "$prefix/bin/midstream-run" --stop --dir "$dir" >/dev/null 2>&1 || :
    "${as_nobody[@]}" flock "$dir/run.lock" sleep 20 &
    holder=$!
    wait_until 10 is_locked "$dir/run.lock" || alive=no
    says 'belongs to another user' "$prefix/bin/midstream-run" --stop --dir "$dir" || alive=no
    ! process_is_gone "$stranger" || alive=no
    kill "$stranger" "$holder" 2>/dev/null || :
    [[ $alive == yes ]]
}

# A directory of `nobody`, in which run is a link to one of root's: what is run there is run as nobody, who cannot write it.
link_of_others_makes_no_root() {
    local dir=$root/nobodys target=$root/roots
    rm -rf "$dir" "$target"
    install -d -o nobody -g nogroup "$dir"
    mkdir "$target"
    printf 'of root\n' | tee "$target/url" >"$target/other"
    "${as_nobody[@]}" ln -s "$target" "$dir/run"
    install -o nobody -g nogroup -m 755 "$root/application" "$dir/application"
    (cd "$dir" && says 'cannot be written' "$prefix/bin/midstream-run" ./application --port 0 --detach) || return 1
    [[ $(<"$target/url") == 'of root' && $(ls -A "$target") == $'other\nurl' ]]
}

# Behind a name that is not there stands the way back into a directory of `nobody`, and a link from there to one of root's.
ways_back_are_refused() {
    local dir=$root/nobodys target=$root/roots
    rm -rf "$dir" "$target"
    install -d -o nobody -g nogroup "$dir"
    mkdir "$target"
    "${as_nobody[@]}" ln -s "$target" "$dir/link"
    says 'without ..' "$prefix/bin/midstream-run" "$root/application" --dir "$root/none/../nobodys/link/made" --port 0 --detach &&
        [[ ! -e $root/none && -z $(ls -A "$target") && $(stat -c %U "$target") == root ]]
}

# nobody sees which directory root is about to make, and is faster, with a link to a directory of root's behind the name.
faster_users_gain_nothing() {
    local dir=$root/shared target=$root/roots racer made
    rm -rf "$dir" "$target"
    mkdir -m 1777 "$dir"
    mkdir "$target"
    # shellcheck disable=SC2016  # the other shell's
    "${as_nobody[@]}" bash -c 'while :; do mkdir "$1/new" 2>/dev/null && { ln -s "$2" "$1/new/run"; break; }; done' - "$dir" "$target" &
    racer=$!
    wait_until 10 test -L "$dir/new/run" || return 1
    wait "$racer" || :
    # It is there already, as it would be after the first look.
    # shellcheck disable=SC2016  # the other shell's
    made=$(bash -c 'set -euo pipefail; . "$1/scripts/lib/common.sh"; . "$1/scripts/lib/owner.sh"; make_directory "$2"' - "$ROOT" \
        "$dir/new/run" 2>&1) && return 1
    printf '%s\n' "$made"
    [[ $made == *'made by another user'* && -z $(ls -A "$target") && $(stat -c %U "$target") == root ]]
}

# Whoever can write the sources decides what their build does.
sources_of_others_are_not_built_by_root() {
    local dir=$root/nobodys pid
    rm -rf "$dir"
    install -d -o nobody -g nogroup "$dir"
    install -o nobody -g nogroup -m 755 "$root/application" "$dir/application"
    printf 'all:\n\tid -un >who\n' | "${as_nobody[@]}" tee "$dir/Makefile" >/dev/null
    (cd "$dir" && exec "$prefix/bin/midstream-run" ./application --port 0 --workers 1 --watch >"$root/watched" 2>&1) &
    pid=$!
    wait_until 30 test -s "$dir/run/url" || { kill "$pid"; cat "$root/watched"; return 1; }
    kill "$pid"
    wait "$pid" || :
    [[ $(<"$dir/who") == nobody && $(stat -c %U "$dir/run/keys") == nobody ]]
}

# One that waits for a writer for ever.
lock_that_is_no_file_is_refused() {
    local dir=$root/nobodys
    rm -rf "$dir"
    install -d -o nobody -g nogroup "$dir"
    "${as_nobody[@]}" mkfifo "$dir/run.lock"
    timeout 20 "$prefix/bin/midstream-run" --stop --dir "$dir" &&
        says 'is not a file' timeout 20 "$prefix/bin/midstream-run" "$root/application" --dir "$dir" --port 0 --detach
}

is_locked() {
    ! flock -n "$1" true
}

# An application whose on_start fails is told at once, with its reason, and what was started is stopped.
failing_start_is_told() {
    local dir=$root/failing said begin=$SECONDS
    mkdir -p "$dir"
    cat >"$dir/main.c" <<'END'
#include <midstream.h>

static enum mid_error start(struct mid_request *rq, void *context)
{
    (void)context;
    return mid_fail(rq, MID_FAILED, "PHOTOS is not set");
}

int main(int argc, char **argv)
{
    return mid_run(argc, argv, &(struct mid_app){.on_start = start});
}
END
    compile "$dir/main.c" "$dir/failing" || return 1
    ! said=$("$prefix/bin/midstream-run" "$dir/failing" --dir "$dir/run" --port 0 --detach 2>&1) || return 1
    printf '%s\n' "$said"
    [[ $said == *'PHOTOS is not set'* ]] && ((SECONDS - begin < 20)) && ! pgrep -f "$dir/run" >/dev/null
}

# What MIDSTREAM_REDIS names has the sessions and tasks, and there is no other Redis.
check_own_redis() {
    check_progress && [[ ! -e $run_dir/redis.sock && ! -e $run_dir/redis.pid && $(redis-cli -s "$root/redis.sock" dbsize) != 0 ]]
}

redis_of_ones_own_is_used() {
    local pid status=0
    redis-server --port 0 --unixsocket "$root/redis.sock" --unixsocketperm 777 --save '' --dir "$root" >/dev/null &
    pid=$!
    wait_until 10 test -S "$root/redis.sock" || status=1
    MIDSTREAM_REDIS=unix:$root/redis.sock with "$1" check_own_redis || status=1
    kill "$pid"
    wait "$pid" || :
    return "$status"
}

check_limits() {
    head -c 2000000 /dev/zero >"$root/large"
    head -c 5000000 /dev/zero >"$root/larger"
    says '2000000' curl -s --data-binary "@$root/large" "$url/import" &&
        says '413' curl -s -o /dev/null -w '%{http_code}' --data-binary "@$root/larger" "$url/import" &&
        says '413' curl -s -o /dev/null -w '%{http_code}' --data-binary "@$root/large" "$url/other"
}

# nginx lets through what a route allows, and stops elsewhere what it stops everywhere.
limits_of_routes_reach_nginx() {
    cat >"$root/limits.c" <<'END'
#include <midstream.h>

static enum mid_error import(struct mid_request *rq)
{
    const char *data;
    size_t bytes;
    MID_TRY(mid_body_all(rq, 1 << 24, &data, &bytes));
    return mid_respond_printf(rq, 200, "text/plain", "%zu", bytes);
}

static const struct mid_route routes[] = {
    MID_POST("/{rest...}", import, .body_max_bytes = 3 << 19),
    MID_POST("/import", import, .body_max_bytes = 4 << 20),
    MID_POST("/small", import),
    {0},
};

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
END
    compile "$root/limits.c" "$root/limits" && with "$root/limits" check_limits
}
