/* A worker process. See worker.h. */
#include "runtime/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "fcgi/listener.h"
#include "fcgi/request.h"
#include "http/request.h"
#include "runtime/dispatch.h"
#include "runtime/metrics_layout.h"
#include "runtime/pulse.h"
#include "runtime/stores.h"
#include "session/memory_watch.h"
#include "session/new_limit.h"
#include "session/session.h"
#include "stream/stream.h"

enum { DRAIN_LOOK_MS = 20 };

/* Their frames are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_FACTOR = 4 };
#else
enum { STACK_FACTOR = 1 };
#endif

static struct {
    const struct worker_options *options;
    const struct settings *settings;
    struct socket_set sockets; /* that it listens on */
    struct watch signals;
    struct timer drain;
    struct timer publish;
    struct worker_counts *counts;
    struct redis_client *redis;
    int64_t drain_end_ms; /* -1: not draining */
} worker;

/* -------------------- stopping -------------------- */

/* Until nothing is under way and the web server has let go of all connections, or the time is over. */
static void look_at_drain(struct timer *timer)
{
    connections_close_forgotten();
    size_t requests = fiber_count();
    bool is_over = requests == 0 && connection_count() == 0;
    if (!is_over && loop_now_ms() < worker.drain_end_ms) {
        timer_start(timer, DRAIN_LOOK_MS, look_at_drain);
        return;
    }
    log_event(requests > 0 ? MID_WARN : MID_INFO, "worker.drained", "worker=%d pid=%d unfinished=%zu",
              worker.options->number, (int)getpid(), requests);
    loop_stop();
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
static void begin_drain(int64_t timeout_ms)
{
    int64_t end_ms = loop_now_ms() + timeout_ms;
    bool is_first = worker.drain_end_ms < 0;
    if (!is_first && worker.drain_end_ms <= end_ms)
        return;
    log_event(MID_INFO, "worker.drain", "worker=%d pid=%d timeout_ms=%lld requests=%zu connections=%zu",
              worker.options->number, (int)getpid(), (long long)timeout_ms, fiber_count(), connection_count());
    worker.drain_end_ms = end_ms;
    if (is_first) {
        memory_watch_stop();
        stop_listening(&worker.sockets);
        connections_drain();
    }
    streams_drain(&(struct stream_drain){
        .from_ms = end_ms - timeout_ms / 2,
        .spread_ms = timeout_ms / 4,
    });
    timer_start(&worker.drain, 0, look_at_drain);
}

static void reopen_log(void)
{
    bool is_open = log_reopen();
    log_event(is_open ? MID_INFO : MID_ERROR, "worker.log-reopened", "worker=%d result=\"%s\"", worker.options->number,
              is_open ? "done" : strerror(errno));
}

static void on_signal(struct watch *watch, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            begin_drain(worker.settings->drain_timeout_ms);
        else if (info.ssi_signo == SIGHUP)
            begin_drain(worker.settings->reload_timeout_ms);
        else
            reopen_log();
    }
}

static void watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    ENSURE(fd >= 0);
    ENSURE(watch_start(&worker.signals, fd, EPOLLIN, on_signal));
}

/* -------------------- metrics -------------------- */

/* Shows the other processes that the loop turns, and how things are. */
static void publish(struct timer *timer)
{
    pulse_tick();
    log_tick();
    loop_give_back_stacks();
    metrics_publish(&(struct worker_gauges){.connections = connection_count(),
                                            .requests = connection_busy_count(),
                                            .fibers = fiber_count(),
                                            .stacks_pooled = fiber_pooled_count(),
                                            .is_redis_ready = redis_client_is_ready(worker.redis)},
                    loop_take_longest_turn_us());
    struct memory_figures memory = memory_watch_figures();
    if (memory.used_bytes > 0)
        metrics_publish_memory(&memory);
    timer_start(timer, METRICS_PUBLISH_MS, publish);
}

/* -------------------- set-up -------------------- */

static void configure_requests(const struct settings *settings, struct router *router)
{
    request_configure((uint64_t)settings->body_max_bytes);
    new_limit_configure(settings->session_new_max);
    stream_configure(settings->heartbeat_ms, (size_t)settings->streams_max, settings->reconnect_ms,
                     &worker.counts->stream);
    dispatch_configure(&(struct dispatch_settings){
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
        .counts = &worker.counts->connection,
    });
}

/* On a fiber. Whoever comes first must not meet a store that is only being connected; but when Redis is away, routes
 * without a session are served all the same. */
static void start_listening(void *arg)
{
    const struct socket_set *set = arg;
    redis_client_wait_ready(worker.redis, worker.settings->redis_timeout_ms);
    if (worker.drain_end_ms >= 0)
        return;
    for (int i = 0; i < set->count; i++)
        ENSURE(listener_start(set->sockets[i].fd, set->sockets[i].is_shared));
    pulse_note_serving();
    log_event(MID_INFO, "worker.start", "worker=%d pid=%d", worker.options->number, (int)getpid());
}

int worker_run(const struct worker_options *options)
{
    const struct settings *settings = &options->configuration->settings;
    worker.options = options;
    worker.settings = settings;
    worker.sockets = *options->sockets;
    worker.drain_end_ms = -1;
    configuration_lock_secrets(options->configuration);
    worker.counts = metrics_enter(options->metrics_slot);
    log_count_dropped(&worker.counts->log_dropped);
    pulse_enter(options->pulse);
    fiber_init((size_t)settings->stack_kib * 1024 * STACK_FACTOR, (size_t)settings->fibers_max);
    loop_init();
    loop_set_threads(settings->offload_threads);
    fcgi_init();
    char reason[256];
    struct router *router = router_new(options->routes, reason, sizeof(reason));
    ENSURE(router != NULL); /* the master has read the table before */
    configure_requests(settings, router);
    worker.redis = stores_open(options->configuration, worker.counts);
    if (worker.redis == NULL)
        return 1;
    memory_watch_start(worker.redis, settings->session_memory_percent);
    watch_signals();
    publish(&worker.publish);
    ENSURE(loop_spawn(start_listening, &worker.sockets));

    loop_run();

    log_flush();
    metrics_count_open_streams_as(STREAM_DRAINED);
    if (fiber_count() > 0 || connection_count() > 0)
        _exit(0); /* what they hold cannot be given back without them */
    redis_client_free(worker.redis);
    timer_fini(&worker.drain);
    timer_fini(&worker.publish);
    watch_stop(&worker.signals);
    loop_fini();
    fiber_fini();
    router_free(router);
    return 0;
}
