/* The figures of the task queues in the metrics. See queue_watch.h. */
#include "worker/queue_watch.h"

#include "fiber/loop.h"
#include "metrics/metrics.h"
#include "task/consumer.h"

enum { PAUSE_MS = 2000, RETRY_PAUSE_MS = 200 };

static bool is_stopped;

/* False: Redis did not answer. */
MAY_SUSPEND static bool publish_all(const char *queues)
{
    char name[QUEUE_NAME_BYTES];
    for (size_t place = 0; *queues != '\0' && consumers_next_name(&queues, name); place++) {
        struct queue_stats stats;
        if (queue_stats(name, &stats) != MID_OK)
            return false;
        if (!is_stopped)
            metrics_publish_queue(place, name, &stats);
    }
    return true;
}

static void watch_queues(void *arg)
{
    const char *queues = arg;
    while (!is_stopped)
        loop_park(publish_all(queues) ? PAUSE_MS : RETRY_PAUSE_MS);
}

bool queue_watch_start(const char *queues)
{
    return loop_spawn(watch_queues, (void *)(uintptr_t)queues); /* read only */
}

void queue_watch_stop(void)
{
    is_stopped = true;
}
