/* A worker process. See worker.h. */
#include "runtime/worker.h"

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
#include "session/session.h"
#include "stream/stream.h"

enum { DRAIN_LOOK_MS = 10 };

static struct {
    const struct worker_options *options;
    struct watch signals;
    struct timer drain;
    struct timer publish;
    struct worker_counts *counts;
    struct redis_client *redis;
    int64_t drain_end_ms;
    bool is_draining;
} worker;

/* -------------------- stopping -------------------- */

/* Until nothing is under way, or the time is over. */
static void look_at_drain(struct timer *timer)
{
    size_t left = fiber_count();
    if (left > 0 && loop_now_ms() < worker.drain_end_ms) {
        timer_start(timer, DRAIN_LOOK_MS, look_at_drain);
        return;
    }
    log_event(left > 0 ? MID_WARN : MID_INFO, "worker.drained", "worker=%d unfinished=%zu", worker.options->number,
              left);
    loop_stop();
}

static void begin_drain(void)
{
    if (worker.is_draining)
        return;
    worker.is_draining = true;
    worker.drain_end_ms = loop_now_ms() + worker.options->settings->drain_timeout_ms;
    listeners_stop();
    connections_drain();
    timer_start(&worker.drain, 0, look_at_drain);
}

static void on_signal(struct watch *watch, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info))
        begin_drain();
}

static void watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    ENSURE(fd >= 0);
    ENSURE(watch_start(&worker.signals, fd, EPOLLIN, on_signal));
}

/* -------------------- metrics -------------------- */

static void publish(struct timer *timer)
{
    metrics_publish(&(struct worker_gauges){.connections = connection_count(),
                                            .requests = connection_busy_count(),
                                            .fibers = fiber_count(),
                                            .stacks_pooled = fiber_pooled_count(),
                                            .is_redis_ready = redis_client_is_ready(worker.redis)},
                    loop_take_longest_turn_us());
    timer_start(timer, METRICS_PUBLISH_MS, publish);
}

/* -------------------- set-up -------------------- */

static void configure_requests(const struct settings *settings, struct router *router)
{
    request_configure((uint64_t)settings->body_max_bytes);
    stream_configure(settings->heartbeat_ms, (size_t)settings->streams_max, &worker.counts->stream);
    dispatch_configure(&(struct dispatch_settings){
        .router = router,
        .trusted_origins = settings->trusted_origins,
        .after_timeout_ms = settings->after_timeout_ms,
        .requests_max = (size_t)settings->requests_max,
    });
    connections_init(&(struct connection_settings){
        .serve = dispatch,
        .params_max = (size_t)settings->params_max_bytes,
        .read_timeout_ms = settings->read_timeout_ms,
        .stall_timeout_ms = settings->stall_timeout_ms,
        .counts = &worker.counts->connection,
    });
}

static struct redis_client *configure_sessions(const struct worker_options *options)
{
    const struct settings *settings = options->settings;
    struct redis_client *redis = redis_client_new(&(struct redis_options){
        .address = settings->redis,
        .username = settings->redis_user,
        .password = options->redis_password,
        .database = (int)settings->redis_database,
        .timeout_ms = settings->redis_timeout_ms,
        .backoff_ms = 20,
        .backoff_max_ms = 500,
        .pending_limit = (size_t)settings->fibers_max,
        .counts = &worker.counts->redis,
    });
    if (redis == NULL)
        return NULL;
    session_configure(&(struct session_settings){
        .store = {.redis = redis,
                  .idle_ms = settings->session_idle_ms,
                  .absolute_ms = settings->session_absolute_ms,
                  .fields_max = (int)settings->session_fields_max,
                  .value_bytes_max = (int)settings->session_value_max_bytes},
        .keyring = options->keyring,
        .cookie_is_secure = settings->cookie_secure,
        .head_timeout_ms = settings->redis_head_timeout_ms,
        .commit_timeout_ms = settings->commit_timeout_ms,
        .counts = &worker.counts->session,
        .streams_max = (size_t)settings->session_streams_max,
    });
    return redis;
}

int worker_run(const struct worker_options *options)
{
    const struct settings *settings = options->settings;
    worker.options = options;
    worker.counts = metrics_enter(options->metrics_slot);
    fiber_init((size_t)settings->stack_kib * 1024, (size_t)settings->fibers_max);
    loop_init();
    fcgi_init();
    struct router *router = router_new(options->routes);
    configure_requests(settings, router);
    worker.redis = configure_sessions(options);
    if (worker.redis == NULL)
        return 1;
    watch_signals();
    publish(&worker.publish);
    ENSURE(listener_start(options->listen_fd, options->listen_is_shared));
    log_event(MID_INFO, "worker.start", "worker=%d pid=%d", options->number, (int)getpid());

    loop_run();

    metrics_count_open_streams_as(STREAM_DRAINED);
    if (fiber_count() > 0)
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
