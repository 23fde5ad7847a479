/* The clock of a process under test. See clock.h. */
#include "testing/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "midstream/error.h"

static int64_t ahead_ms;

void test_clock_advance_ms(int64_t ms)
{
    ahead_ms += ms;
}

int64_t test_clock_real_ms(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* In the place of libc's, for the whole program and its shared libraries. */
MID_PUBLIC int clock_gettime(clockid_t id, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, id, now);
    if (result != 0 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return (int)result;
    now->tv_sec += ahead_ms / 1000;
    now->tv_nsec += ahead_ms % 1000 * 1000000;
    if (now->tv_nsec >= 1000000000) {
        now->tv_sec++;
        now->tv_nsec -= 1000000000;
    }
    return 0;
}
