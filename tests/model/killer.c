/* Kills workers, and stops them. See killer.h. */
#include "killer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "app/journal.h"
#include "base/clock.h"
#include "base/panic.h"
#include "random.h"
#include "support/process.h"
#include "support/stack.h"

enum { MASTERS_MAX = 4, PAUSE_LEAST_MS = 300, PAUSE_MOST_MS = 2500 };

struct killer {
    pid_t masters[MASTERS_MAX];
    size_t count;
    struct random random;
    uint32_t pause_ms;
    int64_t next_ms;
    pid_t stopped; /* 0: nobody is */
    int64_t stopped_until_ms;
    size_t kills;
    size_t pauses;
};

struct killer *killer_new(const pid_t *masters, size_t count, uint64_t seed, uint32_t pause_ms)
{
    struct killer *killer = calloc(1, sizeof(*killer));
    ENSURE(killer != NULL && count <= MASTERS_MAX);
    for (size_t i = 0; i < count; i++)
        killer->masters[i] = masters[i];
    killer->count = count;
    killer->random = random_of(seed, UINT64_MAX);
    killer->pause_ms = pause_ms;
    killer->next_ms = clock_monotonic_ms() + pause_ms;
    return killer;
}

static void note(const char *what, pid_t worker)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " ! %s %d", what, (int)worker);
    line_write(&line);
}

/* 0: there is none now. */
static pid_t choose_worker(const struct killer *killer, uint32_t number)
{
    pid_t workers[MASTERS_MAX * STACK_WORKERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < killer->count; i++)
        count += killer->masters[i] > 0 ? workers_of(killer->masters[i], workers + count) : 0;
    return count > 0 ? workers[number % count] : 0;
}

static void resume(struct killer *killer)
{
    note("resume", killer->stopped);
    process_signal(killer->stopped, SIGCONT);
    killer->stopped = 0;
}

/* Each turn takes the same count of random numbers. */
static void strike(struct killer *killer, int64_t now_ms)
{
    bool is_kill = random_is_one_in(&killer->random, 2);
    pid_t worker = choose_worker(killer, (uint32_t)random_next(&killer->random));
    int64_t until_ms = now_ms + random_between(&killer->random, PAUSE_LEAST_MS, PAUSE_MOST_MS);
    killer->next_ms = now_ms + random_between(&killer->random, killer->pause_ms / 2, killer->pause_ms * 3 / 2);
    if (worker == 0 || (!is_kill && killer->stopped != 0))
        return;
    note(is_kill ? "kill" : "pause", worker);
    process_signal(worker, is_kill ? SIGKILL : SIGSTOP);
    killer->kills += is_kill;
    if (is_kill)
        return;
    killer->pauses++;
    killer->stopped = worker;
    killer->stopped_until_ms = until_ms;
}

void killer_turn(struct killer *killer)
{
    int64_t now_ms = clock_monotonic_ms();
    if (killer->stopped != 0 && now_ms >= killer->stopped_until_ms)
        resume(killer);
    if (killer->pause_ms > 0 && now_ms >= killer->next_ms)
        strike(killer, now_ms);
}

void killer_calm(struct killer *killer)
{
    if (killer->stopped != 0)
        resume(killer);
}

size_t killer_kills(const struct killer *killer)
{
    return killer->kills;
}

size_t killer_pauses(const struct killer *killer)
{
    return killer->pauses;
}

void killer_free(struct killer *killer)
{
    free(killer);
}
