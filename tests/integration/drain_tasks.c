/*
 * A task worker that is told to stop at any of its suspensions, while Redis is well, empty, silent or gone: it ends in
 * order.
 *
 * A test build stops itself at a suspension that the test names (app/fiber/fiber.c); the test then does what it has to
 * do, and sends SIGTERM and SIGCONT.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "office.h"

TestSuite(drain_tasks, .timeout = 240);

enum { SUSPENSIONS = 16, STOP_PATIENCE_MS = 4000, PASS_ON_US = 50000 };

/* A pool of one task worker beside the office's, which is stopped. */
struct pool {
    pid_t master;
    FILE *log;
};

static struct pool start_pool(const struct office *office, int stop_at)
{
    struct pool pool = {.log = tmpfile()};
    cr_assert_not_null(pool.log);
    char *app = app_path();
    const char *redis = office->site.stack->redis_url;
    char *keys = text_printf("%s/keys", office->site.stack->dir);
    char *log = text_printf("TASK_LOG=%s", office->log);
    char *at = text_printf("TEST_STOP_AT=%d", stop_at);
    const char *argv[] = {app,
                          "work",
                          "--workers=1",
                          "--redis",
                          redis,
                          "--keys",
                          keys,
                          "--cookie-secure=no",
                          "--watchdog-ms=0",
                          "--redis-timeout-ms=500",
                          "--drain-timeout-ms=1500",
                          NULL};
    const char *environment[] = {log, at, NULL};
    pool.master = process_spawn(argv, &(struct process_options){.environment = environment,
                                                                .output_fd = fileno(pool.log),
                                                                .has_errors_in_output = true});
    free(at), free(log), free(keys), free(app);
    return pool;
}

static bool is_stopped(pid_t pid)
{
    char state = '?';
    OWNED char *path = text_printf("/proc/%d/stat", (int)pid);
    OWNED char *text = file_read(path, NULL);
    const char *after_name = text != NULL ? strrchr(text, ')') : NULL;
    if (after_name != NULL)
        state = after_name[2];
    return state == 'T';
}

static bool has_stopped(void *arg)
{
    const struct pool *pool = arg;
    pid_t workers[STACK_WORKERS_MAX];
    return workers_of(pool->master, workers) == 1 && is_stopped(workers[0]);
}

static pid_t worker_of(const struct pool *pool)
{
    pid_t workers[STACK_WORKERS_MAX];
    return workers_of(pool->master, workers) == 1 ? workers[0] : 0;
}

static void go_on(const struct pool *pool)
{
    pid_t worker = worker_of(pool);
    if (worker > 0)
        process_signal(worker, SIGCONT);
}

static void expect_order(struct pool *pool, const char *scenario, int when)
{
    char log[64 * 1024];
    int code = process_wait(pool->master, PATIENCE_MS);
    rewind(pool->log);
    log[fread(log, 1, sizeof(log) - 1, pool->log)] = '\0';
    fclose(pool->log);
    cr_expect_eq(code, 0, "%s, %d: exit code %d\n%s", scenario, when, code, log);
    cr_expect_not_null(strstr(log, " code=0 lived_ms="), "%s, %d:\n%s", scenario, when, log);
}

/* What is done to Redis while the worker stands, and undone when it has begun to drain. */
struct scenario {
    const char *name;
    void (*disturb)(struct office *office); /* just before SIGTERM */
    void (*restore)(struct office *office);
};

static void nothing(struct office *office)
{
    (void)office;
}

static void stop_redis(struct office *office)
{
    site_stop_redis(&office->site);
}

static void resume_redis(struct office *office)
{
    site_resume_redis(&office->site);
}

static void kill_redis(struct office *office)
{
    site_kill_redis(&office->site);
}

static void start_redis(struct office *office)
{
    site_start_redis(&office->site);
}

static void add_some(const struct office *office)
{
    char id[TEXT_BYTES];
    /* One that runs while the worker drains, which would otherwise end at once. */
    static const char *const tasks[][2] = {{"/add/empty", ""}, {"/add/sleep", "600"}, {"/add/empty", ""}};
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
        while (add(office, tasks[i][0], tasks[i][1], id) != 202) /* until it has found Redis again */
            usleep(PASS_ON_US);
}

static void try_stop(struct office *office, const struct scenario *scenario, int stop_at)
{
    struct pool pool = start_pool(office, stop_at);
    cr_assert(wait_until(has_stopped, &pool, STOP_PATIENCE_MS), "%s: no suspension %d", scenario->name, stop_at);
    scenario->disturb(office);
    process_signal(pool.master, SIGTERM);
    usleep(PASS_ON_US);
    go_on(&pool);
    usleep(PASS_ON_US); /* it knows by now that it is to end */
    scenario->restore(office);
    expect_order(&pool, scenario->name, stop_at);
}

static struct office open_office(void)
{
    struct office office = office_open(SETTINGS("MIDSTREAM_WATCHDOG_MS=0"));
    process_signal(work_process(&office), SIGSTOP);
    return office;
}

static void close_office(struct office *office)
{
    process_signal(work_process(office), SIGCONT);
    office_close(office);
}

static void try_all(const struct scenario *scenario)
{
    struct office office = open_office();
    for (int at = 1; at <= SUSPENSIONS; at++) {
        add_some(&office);
        try_stop(&office, scenario, at);
    }
    close_office(&office);
}

Test(drain_tasks, with_a_redis_that_is_well)
{
    try_all(&(struct scenario){"well", nothing, nothing});
}

Test(drain_tasks, with_a_redis_that_is_silent)
{
    try_all(&(struct scenario){"silent", stop_redis, resume_redis});
}

Test(drain_tasks, with_a_redis_that_is_gone)
{
    try_all(&(struct scenario){"gone", kill_redis, start_redis});
}

/*
 * The group is lost, so the reader makes it anew, which it does up to 300 ms later: so the stop comes while it waits
 * for that answer, or just before.
 */
Test(drain_tasks, with_a_redis_that_was_emptied_and_is_silent)
{
    struct office office = open_office();
    for (int ms = 0; ms <= 400; ms += 50) {
        char id[TEXT_BYTES];
        struct pool pool = start_pool(&office, 0);
        must_add(&office, "/add/deaf", "1200", id); /* which the drain waits for */
        await_note(&office, "begin", id, 1);
        pid_t worker = worker_of(&pool);
        process_signal(worker, SIGSTOP); /* or its sweep would make the group before anything needs it */
        free(redis_text(office.site.redis, "FLUSHALL"));
        add_some(&office); /* a stream without a group: the reader's question ends in an error */
        site_stop_redis(&office.site);
        process_signal(worker, SIGCONT);
        usleep((useconds_t)ms * 1000);
        process_signal(pool.master, SIGTERM);
        usleep(PASS_ON_US);
        site_resume_redis(&office.site);
        expect_order(&pool, "emptied", ms);
    }
    close_office(&office);
}
