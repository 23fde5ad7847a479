/* A worker process that does tasks. See work.h. */
#include "runtime/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/panic.h"
#include "runtime/metrics_layout.h"
#include "runtime/queue_watch.h"
#include "runtime/stores.h"
#include "task/consumer.h"
#include "task/ledger.h"
#include "task/task.h"

enum {
    DRAIN_LOOK_MS = 20,
    YIELD_MS = 500, /* before the end of the drain timeout, to give back what still runs */
    BEATS_PER_LEASE = 5,
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_FACTOR = 4 };
#else
enum { STACK_FACTOR = 1 };
#endif

static struct {
    const struct worker_options *options;
    const struct settings *settings;
    struct consumer_settings consumer;
    char name[96]; /* host:pid */
    struct watch signals;
    struct timer drain;
    struct timer publish;
    struct worker_counts *counts;
    struct redis_client *redis;
    int64_t interrupt_at_ms;
    int64_t yield_at_ms; /* -1: not draining */
} work;

/* -------------------- stopping -------------------- */

static void yield_and_end(void *arg)
{
    (void)arg;
    consumers_yield();
    log_event(MID_WARN, "worker.drained", "worker=%d pid=%d unfinished=%zu", work.options->number, (int)getpid(),
              consumers_running());
    loop_stop();
}

/* Until nothing runs, or it is time to give back what does. */
static void look_at_drain(struct timer *timer)
{
    int64_t now_ms = loop_now_ms();
    if (consumers_running() == 0) {
        log_event(MID_INFO, "worker.drained", "worker=%d pid=%d unfinished=0", work.options->number, (int)getpid());
        loop_stop();
        return;
    }
    if (now_ms >= work.interrupt_at_ms)
        consumers_interrupt();
    if (now_ms >= work.yield_at_ms) {
        if (!loop_spawn(yield_and_end, NULL))
            loop_stop();
        return;
    }
    timer_start(timer, DRAIN_LOOK_MS, look_at_drain);
}

static void begin_drain(int64_t timeout_ms)
{
    int64_t end_ms = loop_now_ms() + timeout_ms;
    bool is_first = work.yield_at_ms < 0;
    if (!is_first && work.yield_at_ms + YIELD_MS <= end_ms)
        return;
    log_event(MID_INFO, "worker.drain", "worker=%d pid=%d timeout_ms=%lld tasks=%zu", work.options->number,
              (int)getpid(), (long long)timeout_ms, consumers_running());
    work.interrupt_at_ms = end_ms - timeout_ms / 2;
    work.yield_at_ms = end_ms - YIELD_MS > 0 ? end_ms - YIELD_MS : 0;
    if (is_first) {
        consumers_drain();
        queue_watch_stop();
    }
    timer_start(&work.drain, 0, look_at_drain);
}

static void on_signal(struct watch *watch, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            begin_drain(work.settings->drain_timeout_ms);
        else if (info.ssi_signo == SIGHUP)
            begin_drain(work.settings->reload_timeout_ms);
        else if (!log_reopen())
            log_event(MID_ERROR, "worker.log-not-reopened", "worker=%d reason=\"%s\"", work.options->number,
                      strerror(errno));
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
    ENSURE(watch_start(&work.signals, fd, EPOLLIN, on_signal));
}

/* -------------------- showing that it lives -------------------- */

/* A process that cannot ask for tasks, though Redis may be well, is replaced: whatever it hangs on goes with it. */
static void end_if_silent(void)
{
    int64_t silent_ms = consumers_silent_ms();
    if (work.yield_at_ms >= 0 || silent_ms < work.settings->task_silence_ms)
        return;
    log_event(MID_ERROR, "worker.silent", "worker=%d pid=%d no_poll_for_ms=%lld", work.options->number, (int)getpid(),
              (long long)silent_ms);
    _exit(1);
}

static void publish(struct timer *timer)
{
    pulse_tick();
    log_tick();
    loop_give_back_stacks();
    metrics_publish(&(struct worker_gauges){.fibers = fiber_count(),
                                            .stacks_pooled = fiber_pooled_count(),
                                            .is_redis_ready = redis_client_is_ready(work.redis)},
                    loop_take_longest_turn_us());
    end_if_silent();
    timer_start(timer, METRICS_PUBLISH_MS, publish);
}

/* -------------------- set-up -------------------- */

static size_t queue_count(const char *queues)
{
    size_t count = 1;
    for (; *queues != '\0'; queues++)
        count += *queues == ',';
    return count;
}

bool work_prepare(const struct configuration *configuration, char *reason, size_t reason_size)
{
    const struct settings *settings = &configuration->settings;
    if (task_types() == NULL) {
        snprintf(reason, reason_size, "this program has no tasks: mid_task_register() was not called");
        return false;
    }
    ledger_create((size_t)configuration_workers(configuration),
                  (size_t)settings->task_concurrency * queue_count(settings->task_queues));
    return true;
}

static void configure_consumers(const struct configuration *configuration)
{
    const struct settings *settings = &configuration->settings;
    char host[64] = "?";
    gethostname(host, sizeof(host) - 1);
    snprintf(work.name, sizeof(work.name), "%s:%d", host, (int)getpid());
    task_settings = (struct task_settings){
        .lease_ms = settings->task_lease_ms,
        .deadline_ms = settings->task_deadline_ms,
        .backoff_ms = settings->task_backoff_ms,
        .backoff_max_ms = settings->task_backoff_max_ms,
    };
    work.consumer = (struct consumer_settings){
        .reader = stores_redis_options(configuration),
        .concurrency = (size_t)settings->task_concurrency,
        .heartbeat_ms = settings->task_lease_ms / BEATS_PER_LEASE,
        .worker = work.name,
    };
}

int work_run(const struct worker_options *options)
{
    const struct settings *settings = &options->configuration->settings;
    work.options = options;
    work.settings = settings;
    work.yield_at_ms = -1;
    work.counts = metrics_enter(options->metrics_slot);
    log_count_dropped(&work.counts->log_dropped);
    pulse_enter(options->pulse);
    ledger_enter();
    fiber_init((size_t)settings->stack_kib * 1024 * STACK_FACTOR, (size_t)settings->fibers_max);
    loop_init();
    loop_set_threads(settings->offload_threads);
    configuration_lock_secrets(options->configuration);
    work.redis = stores_open(options->configuration, work.counts);
    configure_consumers(options->configuration);
    if (work.redis == NULL || !consumers_start(settings->task_queues, &work.consumer))
        return 1;
    if (options->number == 0 && !queue_watch_start(settings->task_queues))
        return 1;
    watch_signals();
    publish(&work.publish);
    pulse_note_serving();
    log_event(MID_INFO, "worker.start", "worker=%d pid=%d queues=%s", options->number, (int)getpid(),
              settings->task_queues);

    loop_run();

    ledger_leave();
    log_flush();
    _exit(0); /* what suspended fibers hold cannot be given back without them */
}
