/*
 * What was answered MID_OK is stored: writers in requests, streams, after-response functions and tasks, a proxy that
 * loses what can be lost between them and Redis, and a check of every answer.
 *
 *     OPERATIONS   how many there are to be (100000)
 *     SEED         of all choices (one by the clock, which is printed): the same seed makes the same choices
 *     FAULT_MS     between two faults of the proxy, on the average (5); 0: none
 *     KILL_MS      between two kills or pauses of a worker, on the average (1500); 0: none
 *     KEEP_GOING   1: go on after something was found, to find more
 *     JOURNAL      a file: nothing is run, and the journal of an earlier run is checked again
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
#include "killer.h"
#include "look.h"
#include "proxy.h"
#include "sort.h"
#include "writers.h"

TestSuite(model, .timeout = 4 * 3600);

enum {
    LOOK_AGAIN_MS = 3000,                 /* into a record that nobody uses any more */
    CHECK_AFTER_MS = UNDER_WAY_MS + 5000, /* it was given up: nothing can be under way to it */
    CHECK_EARLY_MS = 4000,
    SETTLE_MS = 30000,
    WORK_STOP_MS = 30000,
    OK_SHARE = 10, /* one in so many, at the least */
};

struct model {
    uint64_t seed;
    size_t operations;
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
    struct findings early; /* of records that were still in use */
    int64_t next_early_ms;
    struct killer *killer;
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
    const char *parent = getenv("TMPDIR");
    model->journal_path = text_printf("%s/midstream-journal-XXXXXX", parent != NULL ? parent : "/tmp");
    model->journal_fd = mkostemp(model->journal_path, O_CLOEXEC);
    cr_assert(model->journal_fd >= 0 && fchmod(model->journal_fd, 0666) == 0, "%s", strerror(errno));
    setenv("MODEL_JOURNAL", model->journal_path, 1);
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
    "MIDSTREAM_TASK_LEASE_MS=700",
    "MIDSTREAM_TASK_BACKOFF_MS=50",
    "MIDSTREAM_TASK_LOSSES_MAX=50",
    NULL,
};

static void start_more_work(struct model *model, const char *app)
{
    const char *redis = model->stack->redis_url;
    OWNED char *keys = text_printf("%s/keys", model->stack->dir);
    model->more_work = process_spawn((const char *const[]){app, "work", "--workers", "1", "--redis", redis, "--keys",
                                                           keys, "--cookie-secure", "no", NULL},
                                     &(struct process_options){.environment = settings});
}

static pid_t work_master(const struct model *model)
{
    OWNED char *path = text_printf("%s/work.pid", model->stack->dir);
    OWNED char *text = file_read(path, NULL);
    pid_t pid = text != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
    return pid;
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
                                                      .pause_ms = (uint32_t)number_of("FAULT_MS", 5)});
    model->glass = look_open(proxy_redis_path(model->proxy));
    look_end_connections(model->glass);
    const pid_t masters[] = {model->stack->master, work_master(model), model->more_work};
    model->killer = killer_new(masters, 3, model->seed, (uint32_t)number_of("KILL_MS", 1500));
    model->writers =
        writers_start(&(struct writers_options){.url = model->stack->url, .glass = model->glass, .seed = model->seed});
}

static void close_model(struct model *model, bool has_failed)
{
    killer_free(model->killer);
    process_signal(model->more_work, SIGTERM);
    if (process_wait(model->more_work, WORK_STOP_MS) < 0)
        process_signal(model->more_work, SIGKILL);
    look_close(model->glass);
    proxy_close(model->proxy);
    stack_stop(model->stack);
    history_free(model->history);
    findings_fini(&model->findings);
    findings_fini(&model->early);
    close(model->journal_fd);
    if (!has_failed)
        unlink(model->journal_path);
    free(model->journal_path);
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

/* Nobody wants to wait for the end of a million operations to hear of the first: what is already wrong stays so. */
static void check_early(struct model *model)
{
    const struct row *records = history_records(model->history);
    if (model->keeps_going || clock_monotonic_ms() < model->next_early_ms)
        return;
    int64_t begun_ms = clock_monotonic_ms();
    sort_calls(model->history);
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = records->items[i];
        if (record->given_up == NEVER && !record->is_checked)
            check_record(model->history, record, &model->early);
    }
    int64_t end_ms = clock_monotonic_ms();
    model->next_early_ms = end_ms + CHECK_EARLY_MS + 9 * (end_ms - begun_ms); /* a tenth of the time, at the most */
}

/* One turn, while the writers write. */
static bool observe(void *arg)
{
    struct model *model = arg;
    look_at_old_records(model);
    history_read(model->history, model->journal_fd);
    check_records(model, false);
    check_early(model);
    killer_turn(model->killer);
    bool has_found = model->findings.count + model->early.count > 0;
    bool is_over = history_operations(model->history) >= model->operations || (has_found && !model->keeps_going);
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
        OWNED char *path = text_printf("%s/%s", model->stack->dir, names[i]);
        OWNED char *log = file_read(path, NULL);
        for (size_t k = 0; log != NULL && k < 4; k++) {
            const char *at = strstr(log, signs[k]);
            cr_expect_null(at, "a worker died: %.2000s", at != NULL ? at : "");
        }
    }
}

/* -------------------- the report -------------------- */

enum answer { ANSWER_OK, ANSWER_ENDED, ANSWER_REFUSED, ANSWER_IN_DOUBT, ANSWER_NONE, ANSWER_OTHER, ANSWERS };

static const char *const answer_names[ANSWERS] = {
    [ANSWER_OK] = "ok",           [ANSWER_ENDED] = "ended",
    [ANSWER_REFUSED] = "refused", [ANSWER_IN_DOUBT] = "in_doubt",
    [ANSWER_NONE] = "unanswered", /* left to the runtime after the response, or by a worker that was killed */
    [ANSWER_OTHER] = "other",
};

static enum answer answer_of(const struct call *call)
{
    return call->error == NULL                           ? ANSWER_NONE
           : call_is_answered(call, "MID_OK")            ? ANSWER_OK
           : call_is_answered(call, "MID_ENDED")         ? ANSWER_ENDED
           : call_is_answered(call, "MID_UNPROCESSABLE") ? ANSWER_REFUSED
           : call_is_answered(call, "MID_UNAVAILABLE")   ? ANSWER_IN_DOUBT
           : call_is_answered(call, "MID_FAILED")        ? ANSWER_IN_DOUBT
                                                         : ANSWER_OTHER;
}

static void count_answers(const struct model *model, size_t operations[static ANSWERS])
{
    const struct row *all = history_calls(model->history);
    for (size_t i = 0; i < all->count; i++) {
        const struct call *call = all->items[i];
        operations[answer_of(call)] += call->count > 0 ? call->count : 1;
    }
}

static void print_answers(const struct model *model)
{
    size_t operations[ANSWERS] = {0};
    count_answers(model, operations);
    printf("model: calls=%zu operations:", history_calls(model->history)->count);
    for (enum answer answer = 0; answer < ANSWERS; answer++)
        printf(" %s=%zu", answer_names[answer], operations[answer]);
    printf("\n");
}

/* Where hardly anything goes well, nothing is proved. */
static void expect_enough(const struct model *model)
{
    size_t operations[ANSWERS] = {0};
    count_answers(model, operations);
    cr_expect_geq(operations[ANSWER_OK] * OK_SHARE, history_operations(model->history),
                  "only %zu operations of %zu were answered MID_OK", operations[ANSWER_OK],
                  history_operations(model->history));
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
    printf("model: kills=%zu pauses=%zu faults:", killer_kills(model->killer), killer_pauses(model->killer));
    for (enum fault fault = 0; fault < FAULT_COUNT; fault++)
        printf(" %s=%zu", fault_name(fault), proxy_count(model->proxy, fault));
    printf("\n");
    const struct findings *findings = model->findings.count > 0 ? &model->findings : &model->early;
    OWNED char *text = findings_text(findings);
    if (findings->count > 0)
        printf("%smodel: to see it again: SEED=%llu; the journal is %s\n", text, (unsigned long long)model->seed,
               model->journal_path);
    fflush(stdout);
}

/* Of a run that is over. */
static void check_journal(const char *path)
{
    struct model model = {.history = history_new(), .journal_fd = open(path, O_RDONLY | O_CLOEXEC)};
    cr_assert_geq(model.journal_fd, 0, "%s: %s", path, strerror(errno));
    history_read(model.history, model.journal_fd);
    check_records(&model, true);
    OWNED char *text = findings_text(&model.findings);
    cr_expect_eq(model.findings.count, 0, "%s", text);
    findings_fini(&model.findings);
    history_free(model.history);
    close(model.journal_fd);
}

Test(model, what_was_answered_ok_is_stored_whatever_is_lost_on_the_way_to_redis)
{
    const char *journal = getenv("JOURNAL");
    if (journal != NULL) {
        check_journal(journal);
        return;
    }
    struct model model = {.operations = (size_t)number_of("OPERATIONS", 100000),
                          .seed = number_of("SEED", (uint64_t)clock_unix_ms()),
                          .keeps_going = number_of("KEEP_GOING", 0) != 0,
                          .began_ms = clock_monotonic_ms()};
    printf("model: SEED=%llu OPERATIONS=%zu\n", (unsigned long long)model.seed, model.operations);
    fflush(stdout);
    open_model(&model);
    while (!wait_until(observe, &model, PATIENCE_MS)) {
    }
    killer_calm(model.killer);
    struct writers_counts counts = writers_end(model.writers);
    proxy_calm(model.proxy);
    cr_expect(wait_until(has_settled, &model, SETTLE_MS), "there are calls that do not end");
    look_at_all(&model);
    history_read(model.history, model.journal_fd);
    check_records(&model, true);
    print_report(&model, &counts);
    check_logs(&model);
    expect_enough(&model);
    bool has_failed = model.findings.count + model.early.count > 0;
    close_model(&model, has_failed);
    cr_assert_not(has_failed, "the history cannot be explained; see above");
}
