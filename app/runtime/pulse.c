/* What a worker shows the master. See pulse.h. */
#include "runtime/pulse.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"

static struct pulse *own;

struct pulse *pulse_new(void)
{
    struct pulse *pulse =
        mmap(NULL, sizeof(*pulse), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* zeroed */
    if (pulse == MAP_FAILED)
        return NULL;
    atomic_store(&pulse->ticked_ms, clock_monotonic_ms());
    return pulse;
}

void pulse_free(struct pulse *pulse)
{
    munmap(pulse, sizeof(*pulse));
}

void pulse_enter(struct pulse *pulse)
{
    own = pulse;
}

void pulse_tick(void)
{
    atomic_store_explicit(&own->ticked_ms, clock_monotonic_ms(), memory_order_relaxed);
}

void pulse_note_serving(void)
{
    atomic_store(&own->is_serving, true);
}

void pulse_note_route(const char *pattern)
{
    atomic_store_explicit(&own->last_route, pattern, memory_order_relaxed);
}
