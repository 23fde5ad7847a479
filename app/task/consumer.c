/* Consumers. See consumer.h. */
#include "task/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/panic.h"
#include "task/leases.h"
#include "task/running_tasks.h"

enum {
    BLOCK_MS = 2000,
    RETRY_PAUSE_MS = 200,
    SWEEP_PAUSE_MAX_MS = 500,
    SWEEP_PAUSE_MIN_MS = 5,
    LIMIT_DOUBLES_MS = 250,
};

struct consumer {
    char queue[QUEUE_NAME_BYTES];
    const struct consumer_settings *settings;
    struct redis_client *connection; /* the reader's; NULL when draining */
    struct fiber *reader;
    struct list running;  /* struct mid_task */
    size_t running_count; /* with those that are being started */
    size_t limit;         /* of running tasks: doubles, up to the setting, after a crash */
    int64_t limited_ms;   /* when it was last changed */
    int64_t polled_ms;    /* when tasks were last asked for with success, or there was no room */
    bool is_starting;     /* tasks were handed out that count as running nowhere yet */
    struct queue_delivery *deliveries;
    struct list started; /* by the step that is under way */
};

static struct consumer consumers[QUEUES_MAX];
static size_t consumer_count;
static bool is_draining;

/* -------------------- running -------------------- */

static void run(void *arg)
{
    struct mid_task *task = arg;
    struct consumer *consumer = task->consumer;
    task_run(task);
    consumer->running_count--;
    if (consumer->reader != NULL)
        loop_wake(consumer->reader);
}

static void on_start(const struct queue_start *start, void *arg)
{
    struct consumer *consumer = arg;
    struct mid_task *task = task_new(consumer, start, loop_now_ms());
    list_append(&consumer->started, &task->link);
}

/* A fiber that cannot be had gives the task back. */
MAY_SUSPEND static void run_started(struct consumer *consumer)
{
    struct list *link;
    while ((link = list_take_first(&consumer->started)) != NULL) {
        struct mid_task *task = LIST_ELEMENT(link, struct mid_task, link);
        if (loop_spawn(run, task)) {
            list_append(&consumer->running, &task->link);
            consumer->running_count++;
            continue;
        }
        enum mid_error error = queue_yield(task_lease(task));
        log_event(MID_ERROR, "task.no-fiber", "id=%s yield=%s", task->id, mid_error_name(error));
        task_free(task);
    }
}

/* -------------------- what the dead have left -------------------- */

/* A crash takes down what runs beside it. The task that is to blame may come next: few run beside it then. */
static void begin_slowly(void)
{
    for (size_t i = 0; i < consumer_count; i++) {
        consumers[i].limit = 1;
        consumers[i].limited_ms = loop_now_ms();
    }
}

MAY_SUSPEND static enum mid_error recover(const struct left_task *left)
{
    struct queue_lease lease = {.id = left->id, .generation = left->generation};
    if (left->was_on_processor)
        return queue_recover(lease, BLAME_ITSELF, "its worker crashed or hung while it ran", task_settings.backoff_ms);
    return queue_recover(lease, left->was_another ? BLAME_ANOTHER : BLAME_NOBODY, "its worker died", 0);
}

/* What dead processes of the pool had in hand is handed out again at once. */
MAY_SUSPEND static void recover_left(void)
{
    struct left_task left;
    while (running_tasks_next_left(&left)) {
        enum mid_error error = recover(&left);
        if (error == MID_UNAVAILABLE || error == MID_OVERLOADED)
            return; /* later */
        if (left.was_on_processor) {
            begin_slowly();
            log_event(MID_WARN, "task.to-blame", "id=%s result=%s", left.id, mid_error_name(error));
        }
        running_tasks_forget(&left);
    }
}

/* -------------------- reading -------------------- */

/* A Redis that takes nothing now, because it is full, is asked again: it answers, so this process is not silent. */
MAY_SUSPEND static enum mid_error start_delivered(struct consumer *consumer, size_t count)
{
    for (;;) {
        enum mid_error error =
            queue_start(consumer->queue, consumer->settings->worker, count, consumer->deliveries, on_start, consumer);
        if (error != MID_OVERLOADED || is_draining)
            return error;
        consumer->polled_ms = loop_now_ms();
        loop_park(backoff_jitter(RETRY_PAUSE_MS));
    }
}

/* Waits for tasks and starts them. What was handed out and not started, because Redis has gone, is handed out again by
 * a sweep. */
MAY_SUSPEND static enum mid_error take_some(struct consumer *consumer, size_t room)
{
    size_t count = 0;
    MID_TRY(queue_read(consumer->connection, consumer->queue, room, BLOCK_MS, consumer->deliveries, &count));
    consumer->polled_ms = loop_now_ms();
    if (count == 0)
        return MID_OK;
    consumer->is_starting = true;
    enum mid_error error = start_delivered(consumer, count);
    if (error == MID_OK)
        run_started(consumer);
    consumer->is_starting = false;
    return error;
}

static size_t find_room(struct consumer *consumer)
{
    size_t most = consumer->settings->concurrency;
    int64_t now_ms = loop_now_ms();
    if (consumer->limit < most && now_ms - consumer->limited_ms >= LIMIT_DOUBLES_MS) {
        consumer->limit = consumer->limit * 2 < most ? consumer->limit * 2 : most;
        consumer->limited_ms = now_ms;
    }
    return consumer->running_count < consumer->limit ? consumer->limit - consumer->running_count : 0;
}

/* At the start, and when the group is lost, it is made. */
MAY_SUSPEND static bool make_group(struct consumer *consumer)
{
    struct queue_sweep sweep;
    recover_left();
    return queue_sweep(consumer->queue, &sweep) == MID_OK;
}

/* Whenever the reader has been suspended, the drain may have begun, and the connection be gone. */
MAY_SUSPEND static bool wait_for_connection(struct consumer *consumer)
{
    char key[QUEUE_KEY_BYTES];
    queue_key(consumer->queue, key);
    return !is_draining && redis_client_wait_key(consumer->connection, key, BLOCK_MS) && !is_draining;
}

static void read_tasks(void *arg)
{
    struct consumer *consumer = arg;
    bool has_group = false;
    consumer->reader = fiber_current();
    while (!is_draining) {
        has_group = has_group || make_group(consumer);
        size_t room = find_room(consumer);
        if (room == 0) {
            loop_park(consumer->limit < consumer->settings->concurrency ? LIMIT_DOUBLES_MS : -1);
            consumer->polled_ms = loop_now_ms();
            continue;
        }
        enum mid_error error = MID_UNAVAILABLE;
        if (has_group && wait_for_connection(consumer))
            error = take_some(consumer, room);
        if (error == MID_FAILED)
            has_group = false;
        if (error != MID_OK && !is_draining)
            loop_park(backoff_jitter(RETRY_PAUSE_MS));
    }
    consumer->reader = NULL;
}

/* -------------------- keeping, sweeping -------------------- */

static void keep_leases(void *arg)
{
    struct consumer *consumer = arg;
    while (!is_draining || consumer->running_count > 0) {
        leases_renew(consumer->queue, &consumer->running);
        loop_park(is_draining ? RETRY_PAUSE_MS : consumer->settings->heartbeat_ms);
    }
}

static void sweep_queue(void *arg)
{
    struct consumer *consumer = arg;
    while (!is_draining) {
        struct queue_sweep sweep = {.next_ms = RETRY_PAUSE_MS};
        recover_left();
        if (queue_sweep(consumer->queue, &sweep) == MID_OK && sweep.reclaimed > 0)
            log_event(MID_WARN, "task.reclaimed", "queue=%s count=%" PRId64, consumer->queue, sweep.reclaimed);
        int64_t pause_ms = sweep.next_ms < SWEEP_PAUSE_MAX_MS ? sweep.next_ms : SWEEP_PAUSE_MAX_MS;
        loop_park(pause_ms > SWEEP_PAUSE_MIN_MS ? pause_ms : SWEEP_PAUSE_MIN_MS);
    }
}

/* -------------------- the interface -------------------- */

bool consumers_next_name(const char **names, char name[static QUEUE_NAME_BYTES])
{
    size_t length = strcspn(*names, ",");
    if (length == 0 || length >= QUEUE_NAME_BYTES)
        return false;
    memcpy(name, *names, length);
    name[length] = '\0';
    *names += length;
    *names += **names == ',' && (*names)[1] != '\0';
    return queue_name_is_valid(name);
}

bool consumers_names_are_valid(const char *queues)
{
    char name[QUEUE_NAME_BYTES];
    size_t count = 0;
    do {
        if (!consumers_next_name(&queues, name) || ++count > QUEUES_MAX)
            return false;
    } while (*queues != '\0');
    return true;
}

static bool consumer_start(struct consumer *consumer, const struct consumer_settings *settings)
{
    struct redis_options options = settings->reader;
    options.timeout_ms += BLOCK_MS;
    options.pending_limit = 1;
    options.is_lazy = true; /* of a cluster, only the node that has the queue */
    consumer->settings = settings;
    consumer->limit = settings->concurrency;
    consumer->polled_ms = loop_now_ms();
    consumer->connection = redis_client_new(&options);
    consumer->deliveries = calloc(settings->concurrency, sizeof(*consumer->deliveries));
    list_init(&consumer->running);
    list_init(&consumer->started);
    return consumer->connection != NULL && consumer->deliveries != NULL && loop_spawn(read_tasks, consumer) &&
           loop_spawn(keep_leases, consumer) && loop_spawn(sweep_queue, consumer);
}

bool consumers_start(const char *queues, const struct consumer_settings *settings)
{
    if (!consumers_names_are_valid(queues))
        return false;
    while (*queues != '\0') {
        struct consumer *consumer = &consumers[consumer_count++];
        if (!consumers_next_name(&queues, consumer->queue) || !consumer_start(consumer, settings))
            return false;
    }
    return true;
}

/* The readers wake with MID_UNAVAILABLE. */
static void close_connections(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < consumer_count; i++) {
        redis_client_free(consumers[i].connection);
        consumers[i].connection = NULL;
    }
}

/* The connections go at the end of the turn: an event of the same turn may still name one of them. */
void consumers_drain(void)
{
    static struct flush closing;
    is_draining = true;
    flush_init(&closing, close_connections, NULL);
    loop_request_flush(&closing);
    for (size_t i = 0; i < consumer_count; i++)
        if (consumers[i].reader != NULL)
            loop_wake(consumers[i].reader);
}

void consumers_interrupt(void)
{
    for (size_t i = 0; i < consumer_count; i++)
        for (struct list *link = consumers[i].running.next; link != &consumers[i].running; link = link->next)
            task_interrupt(LIST_ELEMENT(link, struct mid_task, link), MID_STOPPING);
}

void consumers_yield(void)
{
    for (size_t i = 0; i < consumer_count; i++)
        leases_give_back(&consumers[i].running);
}

size_t consumers_running(void)
{
    size_t count = 0;
    for (size_t i = 0; i < consumer_count; i++)
        count += consumers[i].running_count + consumers[i].is_starting;
    return count;
}

int64_t consumers_silent_ms(void)
{
    int64_t longest_ms = 0;
    for (size_t i = 0; i < consumer_count; i++) {
        struct consumer *consumer = &consumers[i];
        if (queue_is_away(consumer->queue)) /* which a new process could not ask either, and others' tasks go on */
            consumer->polled_ms = loop_now_ms();
        bool has_room = consumer->running_count < consumer->limit;
        int64_t silent_ms = has_room ? loop_now_ms() - consumer->polled_ms : 0;
        longest_ms = silent_ms > longest_ms ? silent_ms : longest_ms;
    }
    return longest_ms;
}
