/* What a worker shows the master. See liveness.h. */
#include "worker/liveness.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"

static struct liveness *own;

struct liveness *liveness_new(void)
{
    struct liveness *liveness =
        mmap(NULL, sizeof(*liveness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* zeroed */
    if (liveness == MAP_FAILED)
        return NULL;
    atomic_store(&liveness->ticked_ms, clock_monotonic_ms());
    return liveness;
}

void liveness_free(struct liveness *liveness)
{
    munmap(liveness, sizeof(*liveness));
}

void liveness_enter(struct liveness *liveness)
{
    own = liveness;
}

void liveness_tick(void)
{
    atomic_store_explicit(&own->ticked_ms, clock_monotonic_ms(), memory_order_relaxed);
}

void liveness_note_serving(void)
{
    atomic_store(&own->is_serving, true);
}

void liveness_note_route(const char *pattern)
{
    atomic_store_explicit(&own->last_route, pattern, memory_order_relaxed);
}
