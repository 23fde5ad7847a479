# midstream-run --watch: what becomes of a source that changes. Sourced by run.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root, prefix: run's

watch_dir=

url_says() {
    url=$(tail -n 1 "$watch_dir/run/url" 2>/dev/null) && [[ $(curl -s "$url/hello") == "$1" ]]
}

# write_hello TEXT [BODY_MAX_BYTES]
write_hello() {
    cat >"$watch_dir/main.c" <<END
#include <midstream.h>

static enum mid_error hello(struct mid_request *rq)
{
    return mid_respond_text(rq, 200, $1);
}

static enum mid_error take(struct mid_request *rq)
{
    return mid_respond_text(rq, 200, "sent there");
}

static const struct mid_route routes[] = {MID_GET("/hello", hello), MID_POST("/", take), MID_POST("/take", take, .body_max_bytes = ${2:-0}), {0}};

static inline enum mid_error start(struct mid_request *rq, void *context)
{
    (void)context;
    return mid_fail(rq, MID_FAILED, "not today");
}

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
END
}

# watch_begin NAME FLAG...: in the background, in a directory of that name, with a first source in it.
watch_begin() {
    watch_dir=$root/$1
    shift
    mkdir -p "$watch_dir/web/assets"
    printf '<!doctype html><title>mine</title>\n' >"$watch_dir/web/index.html"
    write_hello '"one"'
    (cd "$watch_dir" && exec "$prefix/bin/midstream-run" ./hello --watch --port 0 --workers 1 "$@" 2>"$watch_dir/log") >/dev/null &
    runner=$!
}

# watch_end STATUS
watch_end() {
    local status=$1
    kill "$runner"
    wait "$runner" || status=1
    runner=
    ((status == 0)) || cat "$watch_dir/log"
    return "$status"
}

# Compiles what is there, then what it becomes; a fault in between leaves the program as it is. Files of --web are nginx's.
# A source that is dated in the future is built once.
watch_follows_the_source() {
    local status=0
    watch_begin watch --web web
    wait_until 30 url_says one && says '<title>mine</title>' curl -s "$url/" && says 'sent there' curl -s -d x "$url/" || status=1
    write_hello '"two'
    wait_until 10 grep -q 'the build failed' "$watch_dir/log" && url_says one || status=1
    write_hello '"three"' 3000000
    touch -d '1 hour' "$watch_dir/main.c"
    wait_until 30 url_says three || status=1
    head -c 2000000 /dev/zero >"$watch_dir/large"
    wait_until 10 says 'sent there' curl -s --data-binary "@$watch_dir/large" "$url/take" || status=1
    sleep 3
    [[ $(grep -c 'a source has changed' "$watch_dir/log") == 2 ]] || status=1
    sed -i 's/return mid_main(argc, argv, routes);/return mid_run(argc, argv, \&(struct mid_app){.routes = routes, .on_start = start});/' \
        "$watch_dir/main.c"
    wait_until 30 grep -q 'on_start has failed' "$watch_dir/log" || status=1
    write_hello '"four"'
    wait_until 30 url_says four || status=1
    watch_end "$status"
}

# The build makes another program each time, and leaves a process behind, which does not keep the run's directory.
watch_runs_what_a_link_leads_to() {
    local status=0
    # shellcheck disable=SC2016  # the build's
    watch_begin links --build 'program=hello-$(date +%N)
        cc -o "$program" main.c $(pkg-config --cflags --libs --static midstream) && ln -sfn "$program" hello
        [ -s left ] || { sleep 1000 >/dev/null 2>&1 & printf "%s\n" "$!" >left; }'
    wait_until 30 url_says one || status=1
    write_hello '"two"'
    wait_until 30 url_says two || status=1
    watch_end "$status" || status=1
    flock -n "$watch_dir/run/run.lock" true || { printf 'the run is locked still\n'; status=1; }
    kill "$(<"$watch_dir/left")"
    return "$status"
}
