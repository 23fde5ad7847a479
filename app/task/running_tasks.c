/* Which tasks each process of a pool runs. See running_tasks.h. */
#include "task/running_tasks.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/panic.h"
#include "fiber/fiber.h"

struct row {
    atomic_bool is_used; /* written last, and cleared first */
    int64_t generation;
    char id[MID_TASK_ID_BYTES];
};

struct process_tasks {
    atomic_int pid;            /* whose it is, or who recovers it; 0: nobody's */
    volatile uint32_t running; /* the number of the task on the processor; 0: none */
    struct row rows[];
};

static struct {
    char *memory; /* NULL: there is none */
    size_t process_bytes;
    size_t pages;
    size_t rows;
    struct process_tasks *own;
} shared;

void running_tasks_create(size_t processes, size_t tasks)
{
    shared.rows = tasks;
    shared.pages = 2 * processes + 1; /* those that drain, and the dead */
    shared.process_bytes = (sizeof(struct process_tasks) + tasks * sizeof(struct row) + 63) / 64 * 64;
    void *memory =
        mmap(NULL, shared.pages * shared.process_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        panic("no memory for the table of running tasks: %s", strerror(errno));
    shared.memory = memory;
}

static struct process_tasks *process_at(size_t index)
{
    return (struct process_tasks *)(void *)(shared.memory + index * shared.process_bytes);
}

void running_tasks_enter(void)
{
    shared.own = NULL;
    for (size_t i = 0; shared.memory != NULL && i < shared.pages && shared.own == NULL; i++) {
        int nobody = 0;
        if (atomic_compare_exchange_strong(&process_at(i)->pid, &nobody, (int)getpid()))
            shared.own = process_at(i);
    }
    if (shared.own != NULL)
        fiber_publish(&shared.own->running);
}

void running_tasks_leave(void)
{
    if (shared.own == NULL)
        return;
    for (size_t i = 0; i < shared.rows; i++)
        atomic_store(&shared.own->rows[i].is_used, false);
    static volatile uint32_t nowhere;
    fiber_publish(&nowhere);
    shared.own->running = 0;
    atomic_store(&shared.own->pid, 0);
    shared.own = NULL;
}

uint32_t running_tasks_add(const char *id, int64_t generation)
{
    for (size_t i = 0; shared.own != NULL && i < shared.rows; i++) {
        struct row *row = &shared.own->rows[i];
        if (atomic_load(&row->is_used))
            continue;
        snprintf(row->id, sizeof(row->id), "%s", id);
        row->generation = generation;
        atomic_store(&row->is_used, true);
        fiber_set_number((uint32_t)i + 1);
        return (uint32_t)i + 1;
    }
    return 0;
}

void running_tasks_remove(uint32_t number)
{
    fiber_set_number(0);
    if (number > 0 && shared.own != NULL)
        atomic_store(&shared.own->rows[number - 1].is_used, false);
}

/* -------------------- the dead -------------------- */

/* A process that has ended and was waited for; one whose number is in use again counts as alive, and its leases end. */
static bool is_dead(int pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

/* Whether the tasks of that process are, or become by this call, those that this one recovers. */
static bool recovers(struct process_tasks *process)
{
    int self = (int)getpid();
    int pid = atomic_load(&process->pid);
    if (pid == 0 || process == shared.own)
        return false;
    return pid == self || (is_dead(pid) && atomic_compare_exchange_strong(&process->pid, &pid, self));
}

static bool take_first(struct process_tasks *process, struct left_task *left)
{
    for (size_t i = 0; i < shared.rows; i++) {
        struct row *row = &process->rows[i];
        if (!atomic_load(&row->is_used))
            continue;
        *left = (struct left_task){
            .generation = row->generation,
            .was_on_processor = process->running == i + 1,
            .was_another = process->running != 0 && process->running != i + 1,
            .row = row,
        };
        memcpy(left->id, row->id, sizeof(left->id));
        return true;
    }
    return false;
}

bool running_tasks_next_left(struct left_task *left)
{
    for (size_t i = 0; shared.memory != NULL && i < shared.pages; i++) {
        struct process_tasks *process = process_at(i);
        if (!recovers(process))
            continue;
        if (take_first(process, left))
            return true;
        process->running = 0;
        atomic_store(&process->pid, 0);
    }
    return false;
}

void running_tasks_forget(const struct left_task *left)
{
    struct row *row = left->row;
    atomic_store(&row->is_used, false);
}
