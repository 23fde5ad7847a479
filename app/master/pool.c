/* The worker processes. See pool.h. */
#include "master/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/panic.h"
#include "master/admin.h"
#include "master/sockets.h"
#include "metrics/metrics.h"
#include "worker/liveness.h"
#include "worker/request_worker.h"

enum {
    RESTART_PAUSE_MS = 100, /* after a process that lived shortly; doubles up to the next */
    RESTART_PAUSE_MAX_MS = 5000,
    SHORT_LIFE_MS = 1000,
    START_LOOK_MS = 10,   /* how often to look whether a new process serves */
    KILL_AFTER_MS = 1000, /* more than the timeout that the workers keep themselves */
    LOOK_MAX_MS = 1000,
};

struct worker_process {
    struct list link;
    int slot;
    int metrics_slot;
    pid_t pid;
    struct liveness *liveness;
    int64_t started_ms;
    int64_t kill_at_ms; /* -1: it has not been told to finish */
    bool is_replaced;   /* the slot is another one's */
    bool is_wedged;     /* and was killed for it */
};

struct slot {
    struct worker_process *process; /* NULL: none runs */
    int64_t start_at_ms;
    int64_t pause_ms;
    int short_lives;       /* one after another */
    bool is_in_crash_loop; /* and this was logged */
};

static struct {
    const struct mid_app *app;
    const struct worker_kind *kind;
    const struct configuration *configuration;
    struct slot slots[WORKERS_MAX];
    int slot_count;
    struct list processes;
    int process_count;
    bool is_stopping;
    int64_t looked_ms;  /* when the watchdog looked last */
    int64_t excused_ms; /* no process had to tick before */
} pool;

/* -------------------- starting -------------------- */

_Noreturn static void become_worker(const struct worker_process *process, pid_t master_pid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master_pid)
        _exit(1); /* the master died in between */
    log_after_fork();
    sockets_keep_only(process->slot);
    admin_leave();
    const struct worker_options options = {
        .configuration = pool.configuration,
        .app = pool.app,
        .number = process->slot,
        .metrics_slot = process->metrics_slot,
        .sockets = sockets_of_worker(process->slot),
        .liveness = process->liveness,
    };
    exit(worker_run(&options, pool.kind));
}

static void not_started(int slot, const char *reason)
{
    log_event(MID_ERROR, "worker.not-started", "worker=%d reason=\"%s\"", slot, reason);
    pool.slots[slot].start_at_ms = clock_monotonic_ms() + RESTART_PAUSE_MAX_MS;
}

static void start_process(int slot)
{
    struct worker_process *process = calloc(1, sizeof(*process));
    struct liveness *liveness = liveness_new();
    if (process == NULL || liveness == NULL)
        panic("out of memory for a worker process");
    pid_t master_pid = getpid();
    *process = (struct worker_process){.slot = slot,
                                       .metrics_slot = metrics_slot_take(slot),
                                       .liveness = liveness,
                                       .started_ms = clock_monotonic_ms(),
                                       .kill_at_ms = -1};
    process->pid = fork();
    if (process->pid == 0)
        become_worker(process, master_pid);
    if (process->pid < 0) {
        not_started(slot, strerror(errno));
        metrics_slot_retire(process->metrics_slot);
        liveness_free(liveness);
        free(process);
        return;
    }
    list_append(&pool.processes, &process->link);
    pool.process_count++;
    pool.slots[slot].process = process;
}

/* -------------------- ending -------------------- */

static void tell(struct worker_process *process, int signal_number, int64_t timeout_ms)
{
    int64_t kill_at_ms = clock_monotonic_ms() + timeout_ms + KILL_AFTER_MS;
    if (process->kill_at_ms < 0 || kill_at_ms < process->kill_at_ms)
        process->kill_at_ms = kill_at_ms;
    metrics_slot_drains(process->metrics_slot);
    kill(process->pid, signal_number);
}

/* When the dead process's slot gets another: at once, unless it lived shortly. */
static void schedule_restart(struct slot *slot, int number, int64_t lived_ms)
{
    if (lived_ms >= SHORT_LIFE_MS) {
        slot->pause_ms = 0;
        slot->short_lives = 0;
        slot->is_in_crash_loop = false;
    } else {
        slot->pause_ms = slot->pause_ms == 0 ? RESTART_PAUSE_MS : slot->pause_ms * 2;
        slot->short_lives++;
    }
    if (slot->pause_ms >= RESTART_PAUSE_MAX_MS) {
        slot->pause_ms = RESTART_PAUSE_MAX_MS;
        if (!slot->is_in_crash_loop)
            log_event(MID_ERROR, "worker.crash-loop",
                      "worker=%d deaths=%d restart_every_ms=%d advice=\"the lines before this say why it dies\"",
                      number, slot->short_lives, RESTART_PAUSE_MAX_MS);
        slot->is_in_crash_loop = true;
    }
    slot->start_at_ms = clock_monotonic_ms() + slot->pause_ms;
}

/* In a crash loop, the ends are not worth a line each any more. */
static void log_end(const struct worker_process *process, int status, int64_t lived_ms, bool is_loud)
{
    bool is_expected = WIFEXITED(status) && WEXITSTATUS(status) == 0 && process->kill_at_ms >= 0;
    enum mid_level level = is_expected ? MID_INFO : is_loud ? MID_ERROR : MID_DEBUG;
    if (WIFSIGNALED(status))
        log_event(level, "worker.killed", "worker=%d pid=%d signal=%s lived_ms=%lld", process->slot, (int)process->pid,
                  sigabbrev_np(WTERMSIG(status)), (long long)lived_ms);
    else
        log_event(level, "worker.exit", "worker=%d pid=%d code=%d lived_ms=%lld", process->slot, (int)process->pid,
                  WEXITSTATUS(status), (long long)lived_ms);
}

static void note_end(struct worker_process *process, int status)
{
    struct slot *slot = &pool.slots[process->slot];
    int64_t lived_ms = clock_monotonic_ms() - process->started_ms;
    bool was_current = slot->process == process;
    log_end(process, status, lived_ms, !was_current || !slot->is_in_crash_loop);
    if (was_current) {
        slot->process = NULL;
        schedule_restart(slot, process->slot, lived_ms);
    }
    if (!WIFEXITED(status) || process->kill_at_ms < 0)
        metrics_count_restart(process->is_wedged    ? WORKER_RESTART_WEDGED
                              : WIFSIGNALED(status) ? WORKER_RESTART_SIGNAL
                                                    : WORKER_RESTART_EXIT);
    metrics_slot_retire(process->metrics_slot);
    list_remove(&process->link);
    pool.process_count--;
    liveness_free(process->liveness);
    free(process);
}

static struct worker_process *find_process(pid_t pid)
{
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next) {
        struct worker_process *process = LIST_ELEMENT(link, struct worker_process, link);
        if (process->pid == pid)
            return process;
    }
    return NULL;
}

bool pool_note_end(pid_t pid, int status)
{
    struct worker_process *process = find_process(pid);
    if (process != NULL)
        note_end(process, status);
    return process != NULL;
}

/* -------------------- looking -------------------- */

static bool is_serving(const struct worker_process *process)
{
    return process != NULL && atomic_load(&process->liveness->is_serving);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* In how many milliseconds the process has to be killed, unless it ticks before; INT32_MAX: never. */
static int64_t patience_left_ms(const struct worker_process *process, int64_t now_ms)
{
    int64_t watchdog_ms = pool.configuration->settings.watchdog_ms;
    if (watchdog_ms == 0)
        return INT32_MAX;
    int64_t ticked_ms = atomic_load(&process->liveness->ticked_ms);
    int64_t since_ms = ticked_ms > pool.excused_ms ? ticked_ms : pool.excused_ms;
    return since_ms + watchdog_ms - now_ms;
}

static void kill_wedged(struct worker_process *process, int64_t now_ms)
{
    const char *route = atomic_load(&process->liveness->last_route);
    process->is_wedged = true;
    kill(process->pid, SIGKILL); /* first, whatever becomes of the line */
    log_event(MID_ERROR, "worker.wedged", "worker=%d pid=%d silent_ms=%lld last_route=%s", process->slot,
              (int)process->pid, (long long)(now_ms - atomic_load(&process->liveness->ticked_ms)),
              route != NULL ? route : "-");
}

/* Whether the process that replaces this one serves: a process of the same slot, or of the first, if there are fewer
 * slots now. */
static bool has_successor(const struct worker_process *process)
{
    int slot = process->slot < pool.slot_count ? process->slot : 0;
    return is_serving(pool.slots[slot].process);
}

/* Returns in how many milliseconds to look again. */
static int64_t look_at_process(struct worker_process *process, int64_t now_ms)
{
    if (process->is_wedged)
        return INT32_MAX; /* it is dying */
    int64_t patience_ms = patience_left_ms(process, now_ms);
    if (patience_ms <= 0) {
        kill_wedged(process, now_ms);
        return INT32_MAX;
    }
    if (process->kill_at_ms >= 0) {
        if (now_ms >= process->kill_at_ms) {
            process->is_wedged = true;
            kill(process->pid, SIGKILL);
            log_event(MID_WARN, "worker.overdue", "worker=%d pid=%d", process->slot, (int)process->pid);
            return INT32_MAX;
        }
        return least(patience_ms, process->kill_at_ms - now_ms);
    }
    if (process->is_replaced && has_successor(process))
        tell(process, SIGHUP, pool.configuration->settings.reload_timeout_ms);
    return is_serving(process) ? patience_ms : least(patience_ms, START_LOOK_MS);
}

static int64_t look_at_slot(int number, int64_t now_ms)
{
    struct slot *slot = &pool.slots[number];
    if (slot->process == NULL && slot->start_at_ms <= now_ms) {
        start_process(number);
        return START_LOOK_MS;
    }
    return slot->process == NULL ? slot->start_at_ms - now_ms : INT32_MAX;
}

/* When the master itself did not run (stopped, a frozen container), nobody can be blamed for that time. */
static void excuse_pause(int64_t now_ms)
{
    if (now_ms - pool.looked_ms > 2 * LOOK_MAX_MS)
        pool.excused_ms = now_ms;
    pool.looked_ms = now_ms;
}

int64_t pool_look(void)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = LOOK_MAX_MS;
    excuse_pause(now_ms);
    for (int i = 0; i < pool.slot_count && !pool.is_stopping; i++)
        next_ms = least(next_ms, look_at_slot(i, now_ms));
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next)
        next_ms = least(next_ms, look_at_process(LIST_ELEMENT(link, struct worker_process, link), now_ms));
    return next_ms > 0 ? next_ms : 0;
}

/* -------------------- the interface -------------------- */

void pool_init(const struct mid_app *app, const struct worker_kind *kind)
{
    pool.app = app;
    pool.kind = kind;
    list_init(&pool.processes);
    pool.looked_ms = clock_monotonic_ms();
}

void pool_fini(void)
{
    ENSURE(list_is_empty(&pool.processes));
}

void pool_configure(const struct configuration *configuration)
{
    pool.configuration = configuration;
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next)
        LIST_ELEMENT(link, struct worker_process, link)->is_replaced = true;
    pool.slot_count = configuration_workers(configuration);
    metrics_set_workers(pool.slot_count);
    memset(pool.slots, 0, sizeof(pool.slots)); /* to be started at once */
}

bool pool_has_taken_over(void)
{
    for (int i = 0; i < pool.slot_count; i++)
        if (!is_serving(pool.slots[i].process))
            return false;
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next) {
        const struct worker_process *process = LIST_ELEMENT(link, struct worker_process, link);
        if (process->is_replaced && process->kill_at_ms < 0)
            return false;
    }
    return true;
}

bool pool_is_serving(void)
{
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next)
        if (is_serving(LIST_ELEMENT(link, struct worker_process, link)))
            return true;
    return false;
}

void pool_stop(int64_t timeout_ms)
{
    pool.is_stopping = true;
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next)
        tell(LIST_ELEMENT(link, struct worker_process, link), SIGTERM, timeout_ms);
}

void pool_signal(int signal_number)
{
    for (struct list *link = pool.processes.next; link != &pool.processes; link = link->next)
        kill(LIST_ELEMENT(link, struct worker_process, link)->pid, signal_number);
}

int pool_process_count(void)
{
    return pool.process_count;
}
