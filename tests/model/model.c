/*
 * What was answered MID_OK is stored: writers in requests, streams, after-response functions and tasks, a proxy that
 * loses what can be lost between them and Redis, and a check of every answer.
 *
 *     OPERATIONS   how many there are to be (100000)
 *     SEED         of all choices (one by the clock, which is printed): the same seed makes the same choices
 *     FAULT_MS     between two faults of the proxy, on the average (20); 0: none
 *     KILL_MS      between two kills of a worker, on the average (3000); 0: none
 *     KEEP_GOING   1: go on after something was found, to find more
 *
 * Whatever is found is printed with the lines of the journal that tell of it; the journal stays.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/journal.h"
#include "base/clock.h"
#include "check.h"
#include "integration/site.h"
#include "look.h"
#include "proxy.h"
#include "random.h"
#include "sort.h"
#include "writers.h"

TestSuite(model, .timeout = 4 * 3600);

enum {
    LOOK_AGAIN_MS = 3000,                 /* into a record that nobody uses any more */
    CHECK_AFTER_MS = UNDER_WAY_MS + 5000, /* it was given up: nothing can be under way to it */
    SETTLE_MS = 30000,
    WORK_STOP_MS = 30000,
};

struct model {
    uint64_t seed;
    size_t operations;
    uint32_t kill_ms;
    bool keeps_going;
    struct stack *stack;
    pid_t more_work; /* the master of a second pool of task workers */
    struct proxy *proxy;
    struct look_glass *glass;
    struct writers *writers;
    char *journal_path;
    int journal_fd;
    struct history *history;
    struct findings findings;
    struct random random; /* of kills */
    int64_t next_kill_ms;
    size_t kills;
    int64_t next_look_ms;
    int64_t began_ms;
};

static uint64_t number_of(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : fallback;
}

/* -------------------- open and close -------------------- */

static void open_journal(struct model *model)
{
    char path[] = "/tmp/midstream-journal-XXXXXX";
    model->journal_fd = mkostemp(path, O_CLOEXEC);
    cr_assert(model->journal_fd >= 0 && fchmod(model->journal_fd, 0666) == 0, "%s", strerror(errno));
    model->journal_path = strdup(path);
    setenv("MODEL_JOURNAL", path, 1);
    struct line line;
    line_begin(&line);
    line_printf(&line, " ! seed %llu", (unsigned long long)model->seed);
    line_write(&line);
}

/* Impatient, so that there are doubts; and quick to try again. */
static const char *const settings[] = {
    "RUN_ACCESS_LOG=off",
    "MIDSTREAM_LOG_LEVEL=error",
    "MIDSTREAM_REDIS_TIMEOUT_MS=500",
    "MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=250",
    "MIDSTREAM_COMMIT_TIMEOUT_MS=1500",
    "MIDSTREAM_TASK_LEASE_MS=1000",
    "MIDSTREAM_TASK_BACKOFF_MS=50",
    "MIDSTREAM_TASK_LOSSES_MAX=50",
    NULL,
};

static void start_more_work(struct model *model, const char *app)
{
    char *redis = text_printf("unix:%s", model->stack->redis_socket);
    char *keys = text_printf("%s/keys", model->stack->dir);
    model->more_work = process_spawn((const char *const[]){app, "work", "--workers", "1", "--redis", redis, "--keys",
                                                           keys, "--cookie-secure", "no", NULL},
                                     &(struct process_options){.environment = settings});
    free(keys);
    free(redis);
}

static void open_model(struct model *model)
{
    const char *app = getenv("MODEL_APP");
    app = app != NULL ? app : "build/asan/tests/model-app";
    open_journal(model);
    model->history = history_new();
    model->stack = stack_start(&(struct stack_options){.workers = 2, .midstream = app, .environment = settings});
    start_more_work(model, app);
    model->proxy = proxy_open(&(struct proxy_options){.socket_path = model->stack->redis_socket,
                                                      .seed = model->seed,
                                                      .pause_ms = (uint32_t)number_of("FAULT_MS", 20)});
    model->glass = look_open(proxy_redis_path(model->proxy));
    look_end_connections(model->glass);
    model->writers =
        writers_start(&(struct writers_options){.url = model->stack->url, .glass = model->glass, .seed = model->seed});
}

static void close_model(struct model *model, bool has_failed)
{
    process_signal(model->more_work, SIGTERM);
    if (process_wait(model->more_work, WORK_STOP_MS) < 0)
        process_signal(model->more_work, SIGKILL);
    look_close(model->glass);
    proxy_close(model->proxy);
    stack_stop(model->stack);
    history_free(model->history);
    findings_fini(&model->findings);
    close(model->journal_fd);
    if (!has_failed)
        unlink(model->journal_path);
    free(model->journal_path);
}

/* -------------------- kills -------------------- */

static size_t add_workers(pid_t master, pid_t *workers)
{
    return master > 0 ? workers_of(master, workers) : 0;
}

static pid_t work_master(const struct model *model)
{
    char *path = text_printf("%s/work.pid", model->stack->dir);
    char *text = file_read(path, NULL);
    pid_t pid = text != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
    free(text);
    free(path);
    return pid;
}

static void kill_a_worker(struct model *model)
{
    pid_t workers[3 * STACK_WORKERS_MAX];
    struct line line;
    uint32_t choice = (uint32_t)random_next(&model->random);
    size_t count = add_workers(model->stack->master, workers);
    count += add_workers(work_master(model), workers + count);
    count += add_workers(model->more_work, workers + count);
    model->next_kill_ms =
        clock_monotonic_ms() + random_between(&model->random, model->kill_ms / 2, model->kill_ms * 3 / 2);
    if (count == 0)
        return;
    line_begin(&line);
    line_printf(&line, " ! kill %d", (int)workers[choice % count]);
    line_write(&line);
    process_signal(workers[choice % count], SIGKILL);
    model->kills++;
}

/* -------------------- observing -------------------- */

static bool is_due(const struct model *model, const struct record *record, int64_t after_ms)
{
    return record->given_up != NEVER &&
           clock_monotonic_ms() - history_time_ms(model->history, record->given_up) >= after_ms;
}

/* Again and again, in case that what had ended comes back. */
static void look_at_old_records(struct model *model)
{
    const struct row *records = history_records(model->history);
    if (clock_monotonic_ms() < model->next_look_ms)
        return;
    model->next_look_ms = clock_monotonic_ms() + LOOK_AGAIN_MS;
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = records->items[i];
        if (record->given_up != NEVER && !record->is_checked)
            look_at(model->glass, record->rid);
    }
}

static void check_records(struct model *model, bool has_ended)
{
    const struct row *records = history_records(model->history);
    bool is_sorted = false;
    for (size_t i = 0; i < records->count; i++) {
        struct record *record = records->items[i];
        if (record->is_checked || (!has_ended && !is_due(model, record, CHECK_AFTER_MS)))
            continue;
        if (!is_sorted)
            sort_calls(model->history);
        is_sorted = true;
        record->is_checked = true;
        check_record(model->history, record, &model->findings);
    }
}

/* One turn, while the writers write. */
static bool observe(void *arg)
{
    struct model *model = arg;
    writers_look(model->writers);
    look_at_old_records(model);
    history_read(model->history, model->journal_fd);
    check_records(model, false);
    if (model->kill_ms > 0 && clock_monotonic_ms() >= model->next_kill_ms)
        kill_a_worker(model);
    bool is_over =
        history_operations(model->history) >= model->operations || (model->findings.count > 0 && !model->keeps_going);
    if (is_over)
        writers_stop(model->writers);
    return writers_are_done(model->writers);
}

static bool is_under_way(const struct call *call)
{
    return call->end == NEVER && call->way != WAY_IMPLICIT && call->way != WAY_DROP && process_is_alive(call->worker);
}

/* No call of a living worker is without its answer. */
static bool has_settled(void *arg)
{
    struct model *model = arg;
    history_read(model->history, model->journal_fd);
    const struct row *calls = history_calls(model->history);
    for (size_t i = 0; i < calls->count; i++)
        if (is_under_way(calls->items[i]))
            return false;
    return true;
}

static void look_at_all(struct model *model)
{
    const struct row *records = history_records(model->history);
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = records->items[i];
        if (!record->is_checked)
            look_at(model->glass, record->rid);
    }
}

/* A worker that ended otherwise than by our hand has told why. */
static void check_logs(struct model *model)
{
    static const char *const names[] = {"midstream.log", "work.log"};
    static const char *const signs[] = {"AddressSanitizer", "runtime error:", "panic", "LeakSanitizer"};
    for (size_t i = 0; i < 2; i++) {
        char *path = text_printf("%s/%s", model->stack->dir, names[i]);
        char *log = file_read(path, NULL);
        for (size_t k = 0; log != NULL && k < 4; k++) {
            const char *at = strstr(log, signs[k]);
            cr_expect_null(at, "a worker died: %.2000s", at != NULL ? at : "");
        }
        free(log);
        free(path);
    }
}

/* -------------------- the report -------------------- */

static void print_answers(const struct model *model)
{
    size_t calls[5] = {0};
    size_t operations[5] = {0};
    const struct row *all = history_calls(model->history);
    for (size_t i = 0; i < all->count; i++) {
        const struct call *call = all->items[i];
        bool is_doubt =
            call->error == NULL || call_is_answered(call, "MID_UNAVAILABLE") || call_is_answered(call, "MID_FAILED");
        size_t kind = call_is_answered(call, "MID_OK")              ? 0
                      : call_is_answered(call, "MID_ENDED")         ? 1
                      : call_is_answered(call, "MID_UNPROCESSABLE") ? 2
                      : is_doubt                                    ? 3
                                                                    : 4;
        calls[kind]++;
        operations[kind] += call->count > 0 ? call->count : 1;
    }
    printf("model: calls=%zu (operations) ok=%zu (%zu) ended=%zu (%zu) refused=%zu (%zu) in_doubt=%zu (%zu) other=%zu "
           "(%zu)\n",
           all->count, calls[0], operations[0], calls[1], operations[1], calls[2], operations[2], calls[3],
           operations[3], calls[4], operations[4]);
}

static void print_report(const struct model *model, const struct writers_counts *counts)
{
    printf("model: seed=%llu operations=%zu runs: requests=%zu with_after=%zu streams=%zu tasks=%zu took_s=%.1f\n",
           (unsigned long long)model->seed, history_operations(model->history), counts->runs[0], counts->runs[1],
           counts->runs[2], counts->runs[3], (double)(clock_monotonic_ms() - model->began_ms) / 1000);
    print_answers(model);
    printf("model: sessions=%zu (records=%zu) logins=%zu repeated=%zu found=%zu logouts=%zu tasks_left=%zu\n",
           counts->sessions, history_records(model->history)->count, counts->logins, counts->logins_repeated,
           counts->logins_found, counts->logouts, counts->tasks_left);
    printf("model: kills=%zu faults:", model->kills);
    for (enum fault fault = 0; fault < FAULT_COUNT; fault++)
        printf(" %s=%zu", fault_name(fault), proxy_count(model->proxy, fault));
    printf("\n");
    char *text = findings_text(&model->findings);
    if (model->findings.count > 0)
        printf("%smodel: to see it again: SEED=%llu; the journal is %s\n", text, (unsigned long long)model->seed,
               model->journal_path);
    free(text);
    fflush(stdout);
}

Test(model, what_was_answered_ok_is_stored_whatever_is_lost_on_the_way_to_redis)
{
    struct model model = {.operations = (size_t)number_of("OPERATIONS", 100000),
                          .seed = number_of("SEED", (uint64_t)clock_unix_ms()),
                          .kill_ms = (uint32_t)number_of("KILL_MS", 3000),
                          .keeps_going = number_of("KEEP_GOING", 0) != 0,
                          .began_ms = clock_monotonic_ms()};
    printf("model: SEED=%llu OPERATIONS=%zu\n", (unsigned long long)model.seed, model.operations);
    fflush(stdout);
    model.random = random_of(model.seed, UINT64_MAX);
    model.next_kill_ms = model.began_ms + model.kill_ms;
    open_model(&model);
    while (!wait_until(observe, &model, PATIENCE_MS)) {
    }
    struct writers_counts counts = writers_end(model.writers);
    proxy_calm(model.proxy);
    cr_expect(wait_until(has_settled, &model, SETTLE_MS), "there are calls that do not end");
    look_at_all(&model);
    history_read(model.history, model.journal_fd);
    check_records(&model, true);
    print_report(&model, &counts);
    check_logs(&model);
    bool has_failed = model.findings.count > 0;
    close_model(&model, has_failed);
    cr_assert_not(has_failed, "the history cannot be explained; see above");
}
