/* A worker process that serves requests. See request_worker.h. */
#include "worker/request_worker.h"

#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "fcgi/listener.h"
#include "fcgi/request.h"
#include "http/request.h"
#include "session/memory_watch.h"
#include "session/new_limit.h"
#include "session/session.h"
#include "stream/stream.h"
#include "wait/wait.h"
#include "worker/dispatch.h"

static struct {
    const struct worker *worker;
    struct socket_set sockets; /* that it listens on */
    struct router *router;
    int64_t drain_end_ms; /* -1: not draining */
} own = {.drain_end_ms = -1};

/* -------------------- stopping -------------------- */

/* Until nothing is under way and the web server has let go of all connections, or the time is over. */
static bool continue_drain(void)
{
    connections_close_forgotten();
    size_t requests = fiber_count();
    bool is_over = requests == 0 && connection_count() == 0;
    if (!is_over && loop_now_ms() < own.drain_end_ms)
        return true;
    log_event(requests > 0 ? MID_WARN : MID_INFO, "worker.drained", "worker=%d pid=%d unfinished=%zu",
              own.worker->options->number, (int)getpid(), requests);
    loop_stop();
    return false;
}

/* Only when all processes have closed a TCP socket are connections refused. */
static void stop_listening(const struct socket_set *set)
{
    listeners_stop();
    for (int i = 0; i < set->count; i++)
        close(set->sockets[i].fd);
}

/*
 * docs/adr/0008-drain.md: for the first half of the time everything goes on, in the third quarter streams are told to
 * come back, one after another, and the last quarter is for handlers to return and after-response functions to finish.
 */
static void drain(int64_t timeout_ms, int64_t end_ms, bool is_first)
{
    log_event(MID_INFO, "worker.drain", "worker=%d pid=%d timeout_ms=%lld requests=%zu connections=%zu",
              own.worker->options->number, (int)getpid(), (long long)timeout_ms, fiber_count(), connection_count());
    own.drain_end_ms = end_ms;
    if (is_first) {
        memory_watch_stop();
        stop_listening(&own.sockets);
        connections_drain();
    }
    wait_begin_drain(&(struct drain_times){
        .from_ms = end_ms - timeout_ms / 2,
        .spread_ms = timeout_ms / 4,
    });
}

/* After the loop. */
static bool stop(void)
{
    metrics_count_open_streams_as(STREAM_DRAINED);
    if (fiber_count() > 0 || connection_count() > 0)
        return false;
    router_free(own.router);
    return true;
}

/* -------------------- metrics -------------------- */

static void publish(struct worker_gauges *gauges)
{
    struct memory_figures memory = memory_watch_figures();
    gauges->connections = connection_count();
    gauges->requests = connection_busy_count();
    if (memory.used_bytes > 0)
        metrics_publish_memory(&memory);
}

/* -------------------- set-up -------------------- */

static void configure(const struct settings *settings, struct worker_counts *counts, struct router *router)
{
    new_limit_init(settings->session_new_max);
    stream_init(&(struct stream_settings){
        .heartbeat_ms = settings->heartbeat_ms,
        .streams_max = (size_t)settings->streams_max,
        .reconnect_ms = settings->reconnect_ms,
        .counts = &counts->stream,
    });
    dispatch_init(&(struct dispatch_settings){
        .router = router,
        .trusted_origins = settings->trusted_origins,
        .hosts = settings->hosts,
        .after_timeout_ms = settings->after_timeout_ms,
        .slow_ms = settings->slow_ms,
        .requests_max = (size_t)settings->requests_max,
    });
    connections_init(&(struct connection_settings){
        .serve = dispatch,
        .params_max = (size_t)settings->params_max_bytes,
        .requests_max = (size_t)settings->requests_max,
        .request_timeout_ms = settings->request_timeout_ms,
        .read_timeout_ms = settings->read_timeout_ms,
        .stall_timeout_ms = settings->stall_timeout_ms,
        .counts = &counts->connection,
    });
}

static void prepare(const struct worker *worker)
{
    char reason[256];
    own.worker = worker;
    own.sockets = *worker->options->sockets;
    fcgi_init();
    own.router = router_new(worker->options->app->routes, reason, sizeof(reason));
    ENSURE(own.router != NULL); /* the master has read the table before */
    configure(worker->settings, worker->counts, own.router);
}

/* Whoever comes first must not meet a store that is only being connected; but when Redis is away, routes without a
 * session are served all the same. */
MAY_SUSPEND static bool start(const struct worker *worker)
{
    const struct socket_set *set = &own.sockets;
    memory_watch_start(worker->redis, worker->settings->session_memory_percent);
    redis_client_wait_ready(worker->redis, worker->settings->redis_timeout_ms);
    if (own.drain_end_ms >= 0)
        return true;
    for (int i = 0; i < set->count; i++)
        ENSURE(listener_start(set->sockets[i].fd, set->sockets[i].is_shared));
    liveness_note_serving();
    log_event(MID_INFO, "worker.start", "worker=%d pid=%d", own.worker->options->number, (int)getpid());
    return true;
}

const struct worker_kind request_worker_kind = {
    .prepare = prepare,
    .start = start,
    .publish = publish,
    .drain = drain,
    .continue_drain = continue_drain,
    .stop = stop,
};
