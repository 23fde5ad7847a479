/* A worker process that does tasks. See task_worker.h. */
#include "worker/task_worker.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "fiber/loop.h"
#include "task/consumer.h"
#include "task/running_tasks.h"
#include "task/task.h"
#include "worker/queue_watch.h"
#include "worker/redis_setup.h"

enum {
    YIELD_MS = 500, /* before the end of the drain timeout, to give back what still runs */
    BEATS_PER_LEASE = 5,
};

static struct {
    const struct worker *worker;
    struct consumer_settings consumer;
    char name[96]; /* host:pid */
    int64_t interrupt_at_ms;
    int64_t yield_at_ms; /* -1: not draining */
} own = {.yield_at_ms = -1};

/* -------------------- stopping -------------------- */

static void yield_and_end(void *arg)
{
    (void)arg;
    consumers_yield();
    log_event(MID_WARN, "worker.drained", "worker=%d pid=%d unfinished=%zu", own.worker->options->number, (int)getpid(),
              consumers_running());
    loop_stop();
}

/* Until nothing runs, or it is time to give back what does. */
static bool continue_drain(void)
{
    int64_t now_ms = loop_now_ms();
    if (consumers_running() == 0) {
        log_event(MID_INFO, "worker.drained", "worker=%d pid=%d unfinished=0", own.worker->options->number,
                  (int)getpid());
        loop_stop();
        return false;
    }
    if (now_ms >= own.interrupt_at_ms)
        consumers_interrupt();
    if (now_ms < own.yield_at_ms)
        return true;
    if (!loop_spawn(yield_and_end, NULL))
        loop_stop();
    return false;
}

static void drain(int64_t timeout_ms, int64_t end_ms, bool is_first)
{
    log_event(MID_INFO, "worker.drain", "worker=%d pid=%d timeout_ms=%lld tasks=%zu", own.worker->options->number,
              (int)getpid(), (long long)timeout_ms, consumers_running());
    own.interrupt_at_ms = end_ms - timeout_ms / 2;
    own.yield_at_ms = end_ms - YIELD_MS > 0 ? end_ms - YIELD_MS : 0;
    if (is_first) {
        consumers_drain();
        queue_watch_stop();
    }
}

/* After the loop. Its fibers wait for tasks and for Redis. */
static bool stop(void)
{
    running_tasks_leave();
    return false;
}

/* -------------------- showing that it lives -------------------- */

/* A process that cannot ask for tasks, though Redis may be well, is replaced: whatever it hangs on goes with it. */
static void publish(struct worker_gauges *gauges)
{
    (void)gauges;
    int64_t silent_ms = consumers_silent_ms();
    if (own.yield_at_ms >= 0 || silent_ms < own.worker->settings->task_silence_ms)
        return;
    log_event(MID_ERROR, "worker.silent", "worker=%d pid=%d no_poll_for_ms=%lld", own.worker->options->number,
              (int)getpid(), (long long)silent_ms);
    _exit(1);
}

/* -------------------- set-up -------------------- */

static size_t queue_count(const char *queues)
{
    size_t count = 1;
    for (; *queues != '\0'; queues++)
        count += *queues == ',';
    return count;
}

bool task_worker_prepare(const struct configuration *configuration, char *reason, size_t reason_size)
{
    const struct settings *settings = &configuration->settings;
    if (task_types() == NULL) {
        snprintf(reason, reason_size,
                 "this program has no tasks: struct mid_app has none, and mid_task_register() was not called");
        return false;
    }
    running_tasks_create((size_t)configuration_workers(configuration),
                         (size_t)settings->task_concurrency * queue_count(settings->task_queues));
    return true;
}

static void configure_consumers(const struct configuration *configuration)
{
    const struct settings *settings = &configuration->settings;
    char host[64] = "?";
    gethostname(host, sizeof(host) - 1);
    snprintf(own.name, sizeof(own.name), "%s:%d", host, (int)getpid());
    task_settings = (struct task_settings){
        .lease_ms = settings->task_lease_ms,
        .deadline_ms = settings->task_deadline_ms,
        .backoff_ms = settings->task_backoff_ms,
        .backoff_max_ms = settings->task_backoff_max_ms,
    };
    own.consumer = (struct consumer_settings){
        .reader = redis_setup_options(configuration),
        .concurrency = (size_t)settings->task_concurrency,
        .heartbeat_ms = settings->task_lease_ms / BEATS_PER_LEASE,
        .worker = own.name,
    };
}

static void prepare(const struct worker *worker)
{
    own.worker = worker;
    running_tasks_enter();
}

static bool start(const struct worker *worker)
{
    const char *queues = worker->settings->task_queues;
    configure_consumers(worker->options->configuration);
    if (!consumers_start(queues, &own.consumer) || (worker->options->number == 0 && !queue_watch_start(queues)))
        return false;
    liveness_note_serving();
    log_event(MID_INFO, "worker.start", "worker=%d pid=%d queues=%s", worker->options->number, (int)getpid(), queues);
    return true;
}

const struct worker_kind task_worker_kind = {
    .prepare = prepare,
    .start = start,
    .publish = publish,
    .drain = drain,
    .continue_drain = continue_drain,
    .stop = stop,
};
