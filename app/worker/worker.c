/* A process of the pool. See worker.h. */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "fiber/loop.h"
#include "http/request.h"
#include "live/live.h"
#include "worker/redis_setup.h"

enum { DRAIN_LOOK_MS = 20 };

/* Frames of sanitizers are larger. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_FACTOR = 4 };
#else
enum { STACK_FACTOR = 1 };
#endif

static struct {
    struct worker worker;
    const struct worker_kind *kind;
    struct watch signals;
    struct timer drain;
    struct timer publish;
    int64_t drain_end_ms; /* -1: not draining */
    int exit_code;
    bool has_started;             /* the application has, in this process */
    bool is_up;                   /* so has the kind: nothing is waited for any more */
    struct mid_request *starting; /* while the application's on_start runs; what it waits with */
    struct fiber *starting_fiber;
} own = {.drain_end_ms = -1};

/* -------------------- starting -------------------- */

/* The application's turn: once Redis can be asked, or was waited for. */
MAY_SUSPEND static enum mid_error start_application(const struct mid_app *app)
{
    struct mid_request rq;
    redis_client_wait_ready(own.worker.redis, own.worker.settings->redis_timeout_ms);
    if (own.drain_end_ms >= 0)
        return MID_STOPPING;
    request_init_detached(&rq, "start");
    own.starting = &rq;
    own.starting_fiber = fiber_current();
    enum mid_error error = app->on_start(&rq, app->context);
    own.starting = NULL;
    if (error != MID_OK)
        log_event(own.drain_end_ms < 0 ? MID_ERROR : MID_INFO, "worker.start-failed",
                  "worker=%d pid=%d error=%s detail=\"%s\"", own.worker.options->number, (int)getpid(),
                  mid_error_name(error), rq.error_detail != NULL ? rq.error_detail : mid_error_text(error));
    request_finish(&rq);
    return error;
}

/* On a fiber. */
static void start(void *arg)
{
    (void)arg;
    const struct mid_app *app = own.worker.options->app;
    own.has_started = app->on_start == NULL || start_application(app) == MID_OK;
    own.is_up = own.has_started && (own.drain_end_ms >= 0 || own.kind->start(&own.worker));
    if (own.is_up)
        return;
    own.exit_code = own.drain_end_ms < 0 ? 1 : 0;
    loop_stop();
}

/* -------------------- stopping -------------------- */

static void look_at_drain(struct timer *timer)
{
    bool is_starting = own.starting != NULL && loop_now_ms() < own.drain_end_ms;
    if (is_starting || own.kind->continue_drain())
        timer_start(timer, DRAIN_LOOK_MS, look_at_drain);
}

/* Again, when it comes sooner than the end that was told before. */
static void begin_drain(int64_t timeout_ms)
{
    int64_t end_ms = loop_now_ms() + timeout_ms;
    bool is_first = own.drain_end_ms < 0;
    if (!is_first && own.drain_end_ms <= end_ms)
        return;
    own.drain_end_ms = end_ms;
    own.kind->drain(timeout_ms, end_ms, is_first);
    if (!own.is_up)
        redis_client_release_waiters(own.worker.redis);
    if (own.starting != NULL) {
        own.starting->wait.interruption = MID_STOPPING;
        loop_wake(own.starting_fiber);
    }
    timer_start(&own.drain, 0, look_at_drain);
}

static void reopen_log(void)
{
    bool is_open = log_reopen();
    log_event(is_open ? MID_INFO : MID_ERROR, "worker.log-reopened", "worker=%d result=\"%s\"",
              own.worker.options->number, is_open ? "done" : strerror(errno));
}

void worker_stop(void)
{
    begin_drain(own.worker.settings->drain_timeout_ms);
}

static void on_signal(struct watch *watch, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            worker_stop();
        else if (info.ssi_signo == SIGHUP)
            begin_drain(own.worker.settings->reload_timeout_ms);
        else
            reopen_log();
    }
}

static sigset_t signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    return set;
}

void worker_block_signals(void)
{
    sigset_t set = signals();
    ENSURE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

static void watch_signals(void)
{
    sigset_t set = signals();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    ENSURE(fd >= 0);
    ENSURE(watch_start(&own.signals, fd, EPOLLIN, on_signal));
}

/* -------------------- metrics -------------------- */

/* Shows the other processes that the loop turns, and how things are. */
static void publish(struct timer *timer)
{
    liveness_tick();
    log_tick();
    loop_give_back_stacks();
    struct worker_gauges gauges = {.fibers = fiber_count(),
                                   .stacks_pooled = fiber_pooled_count(),
                                   .is_redis_ready = redis_client_is_ready(own.worker.redis)};
    own.kind->publish(&gauges);
    metrics_publish(&gauges, loop_take_longest_turn_us());
    timer_start(timer, METRICS_PUBLISH_MS, publish);
}

/* -------------------- the interface -------------------- */

static void enter_shared_memory(const struct worker_options *options)
{
    own.worker.counts = metrics_enter(options->metrics_slot);
    log_count_dropped(&own.worker.counts->log_dropped);
    liveness_enter(options->liveness);
}

static void open_loop(const struct settings *settings)
{
    fiber_init((size_t)settings->stack_kib * 1024 * STACK_FACTOR, (size_t)settings->fibers_max);
    loop_init();
    loop_set_threads(settings->offload_threads);
}

static void configure_requests(const struct worker_options *options)
{
    const struct settings *settings = own.worker.settings;
    request_init(&(struct request_settings){
        .body_max_bytes = (uint64_t)settings->body_max_bytes,
        .cookie_is_secure = settings->cookie_secure,
        .context = options->app->context,
        .durability = configuration_durability(options->configuration),
    });
}

static void close_loop(void)
{
    live_fini();
    redis_client_free(own.worker.redis);
    timer_fini(&own.drain);
    timer_fini(&own.publish);
    watch_stop(&own.signals);
    loop_fini();
    fiber_fini();
}

const struct worker *worker_begin(const struct worker_options *options, const struct worker_kind *kind)
{
    struct worker *worker = &own.worker;
    own.kind = kind;
    worker->options = options;
    worker->settings = &options->configuration->settings;
    configuration_lock_secrets(options->configuration);
    enter_shared_memory(options);
    open_loop(worker->settings);
    configure_requests(options);
    kind->prepare(worker);
    worker->redis =
        redis_setup(options->configuration, configuration_durability(options->configuration), worker->counts);
    if (worker->redis == NULL)
        return NULL;
    watch_signals();
    publish(&own.publish);
    ENSURE(loop_spawn(start, NULL));
    return worker;
}

bool worker_end(void)
{
    const struct mid_app *app = own.worker.options->app;
    if (own.has_started && app->on_stop != NULL)
        app->on_stop(app->context);
    log_flush();
    if (!own.kind->stop() || loop_has_threads()) /* a resolver may take its time */
        return false;
    close_loop();
    return true;
}

int worker_run(const struct worker_options *options, const struct worker_kind *kind)
{
    if (worker_begin(options, kind) == NULL)
        return 1;
    loop_run();
    if (!worker_end())
        _exit(own.exit_code);
    return own.exit_code;
}
