/*
 * TASKS tasks ($TASKS, 1000) while workers, web workers and Redis are killed at random: in the end every id that was
 * accepted is accounted for, and each session effect was applied once.
 *
 * Redis keeps its data as in production, with appendfsync everysec. What that may lose when Redis is killed, an id that
 * was accepted in its last seconds, is told apart, counted, and shown.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "integration/site.h"

TestSuite(fault_tasks, .timeout = 900);

enum {
    ADDERS = 3,
    ID_BYTES = 68,
    KILL_PAUSE_MS = 100, /* and up to twice as much more */
    ADD_PAUSE_MAX_MS = 40,
    REDIS_EVERY = 10, /* kills */
    AOF_WINDOW_MS = 3000,
    SETTLE_MS = 300000,
    REDIS_KILLS_MAX = 1000,
};

enum kind { EMPTY, STEP, FAIL, CRASH, CANCELLED, DELAYED, KIND_COUNT };
static const char *const paths[KIND_COUNT] = {
    "/add/empty?",           "/add/step?attempts=50",    "/add/fail?attempts=2&",
    "/add/crash?attempts=2", "/add/step?delay_ms=60000", "/add/step?attempts=50&delay_ms=300",
};

struct task {
    char id[ID_BYTES];
    enum kind kind;
    int64_t accepted_ms;
    char state[16];
};

static struct {
    struct site site;
    struct task *tasks;
    size_t count;
    atomic_size_t next;
    atomic_bool is_over;
    pid_t more_workers; /* the master of a second pool */
    int64_t redis_killed_ms[REDIS_KILLS_MAX];
    size_t redis_kills;
    size_t worker_kills;
    size_t web_kills;
    size_t repeated;
} run;

/* -------------------- adding -------------------- */

static enum kind kind_of(size_t index)
{
    if (index % 250 == 100)
        return CRASH;
    if (index % 20 == 7)
        return FAIL;
    if (index % 50 == 9)
        return CANCELLED;
    if (index % 10 == 3)
        return DELAYED;
    return index % 2 == 0 ? EMPTY : STEP;
}

static void make_id(char id[static ID_BYTES])
{
    unsigned char random[16];
    randombytes_buf(random, sizeof(random));
    char *end = stpcpy(id, "default.");
    sodium_bin2hex(end, 33, random, sizeof(random));
}

/* A client that wants its task to be stored: repeats with the same id until it is told so. */
static void add(struct task *task)
{
    OWNED char *path = text_printf(
        "%s%sid=%s", paths[task->kind],
        strchr(paths[task->kind], '=') != NULL && paths[task->kind][strlen(paths[task->kind]) - 1] != '&' ? "&" : "",
        task->id);
    OWNED char *url = stack_url(run.site.stack, path);
    for (;;) {
        struct http_response response;
        http_send(&(struct http_request){.method = "POST", .url = url, .visitor = run.site.visitor, .body = "5"},
                  &response);
        bool is_accepted = response.curl_code == 0 && response.status == 202;
        http_response_fini(&response);
        if (is_accepted)
            break;
        __atomic_add_fetch(&run.repeated, 1, __ATOMIC_RELAXED);
        usleep(50000);
    }
    task->accepted_ms = clock_unix_ms();
}

static void cancel(const struct task *task)
{
    OWNED char *path = text_printf("/task/%s", task->id);
    OWNED char *url = stack_url(run.site.stack, path);
    int status = 0;
    while (status != 204 && status != 404) {
        struct http_response response;
        http_send(&(struct http_request){.method = "DELETE", .url = url, .visitor = run.site.visitor}, &response);
        status = response.curl_code == 0 ? response.status : 0;
        http_response_fini(&response);
    }
}

static void *add_tasks(void *arg)
{
    size_t index;
    while ((index = atomic_fetch_add(&run.next, 1)) < run.count) {
        struct task *task = &run.tasks[index];
        task->kind = kind_of(index);
        make_id(task->id);
        add(task);
        if (task->kind == CANCELLED)
            cancel(task);
        usleep(arc4random_uniform(ADD_PAUSE_MAX_MS) * 1000);
    }
    return arg;
}

/* -------------------- killing -------------------- */

static pid_t work_master(void)
{
    OWNED char *path = text_printf("%s/work.pid", run.site.stack->dir);
    OWNED char *text = file_read(path, NULL);
    pid_t pid = text != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
    return pid;
}

static bool kill_a_child(pid_t master)
{
    pid_t workers[STACK_WORKERS_MAX];
    size_t count = master > 0 ? workers_of(master, workers) : 0;
    if (count == 0)
        return false;
    process_signal(workers[arc4random_uniform((uint32_t)count)], SIGKILL);
    return true;
}

static void kill_a_web_worker(void)
{
    pid_t workers[STACK_WORKERS_MAX];
    size_t count = stack_workers(run.site.stack, workers);
    if (count > 0)
        process_signal(workers[arc4random_uniform((uint32_t)count)], SIGKILL);
    run.web_kills += count > 0;
}

static void start_redis(void)
{
    const char *dir = run.site.stack->dir;
    OWNED char *socket = text_printf("%s/redis.sock", dir);
    OWNED char *data = text_printf("%s/redis", dir);
    OWNED char *pidfile = text_printf("%s/redis.pid", dir);
    run.site.stack->redis =
        process_spawn((const char *const[]){"redis-server", "scripts/redis.conf", "--port", "0", "--unixsocket", socket,
                                            "--unixsocketperm", "777", "--dir", data, "--pidfile", pidfile, "--logfile",
                                            "/dev/null", NULL},
                      &(struct process_options){.outlives_caller = true}); /* the killer's thread ends before it */
}

static bool is_gone(void *arg)
{
    return !process_is_alive(*(const pid_t *)arg);
}

static void kill_redis(void)
{
    pid_t redis = run.site.stack->redis;
    run.redis_killed_ms[run.redis_kills++ % REDIS_KILLS_MAX] = clock_unix_ms();
    process_signal(redis, SIGKILL);
    cr_assert(wait_until(is_gone, &redis, 10000));
    usleep(arc4random_uniform(300) * 1000);
    start_redis();
}

static void *kill_at_random(void *arg)
{
    for (size_t turn = 1; !atomic_load(&run.is_over); turn++) {
        usleep((KILL_PAUSE_MS + arc4random_uniform(2 * KILL_PAUSE_MS)) * 1000);
        if (turn % REDIS_EVERY == 0)
            kill_redis();
        else if (turn % 4 == 0)
            kill_a_web_worker();
        else
            run.worker_kills += kill_a_child(turn % 2 == 0 ? work_master() : run.more_workers);
    }
    return arg;
}

/* -------------------- accounting -------------------- */

static bool is_ended(const char *state)
{
    return strcmp(state, "done") == 0 || strcmp(state, "dead") == 0 || strcmp(state, "cancelled") == 0;
}

static bool was_in_aof_window(const struct task *task)
{
    for (size_t i = 0; i < run.redis_kills && i < REDIS_KILLS_MAX; i++)
        if (task->accepted_ms <= run.redis_killed_ms[i] + 1 &&
            task->accepted_ms >= run.redis_killed_ms[i] - AOF_WINDOW_MS)
            return true;
    return false;
}

static bool all_have_ended(void *arg)
{
    size_t *left = arg;
    *left = 0;
    for (size_t i = 0; i < run.count; i++) {
        struct task *task = &run.tasks[i];
        if (is_ended(task->state))
            continue;
        OWNED char *state = redis_text(run.site.redis, "HGET mid:q:{default}:task:%s state", task->id);
        snprintf(task->state, sizeof(task->state), "%s", state != NULL ? state : "lost");
        *left += !is_ended(task->state) && strcmp(task->state, "lost") != 0;
    }
    return *left == 0;
}

static size_t count_of(const char *state, int kind)
{
    size_t count = 0;
    for (size_t i = 0; i < run.count; i++)
        count += strcmp(run.tasks[i].state, state) == 0 && (kind < 0 || run.tasks[i].kind == (enum kind)kind);
    return count;
}

static void start_more_workers(const char *app, const char *log)
{
    const char *redis = run.site.stack->redis_url;
    OWNED char *keys = text_printf("%s/keys", run.site.stack->dir);
    const char *environment[] = {log, "MIDSTREAM_TASK_LEASE_MS=2000", "MIDSTREAM_TASK_BACKOFF_MS=50",
                                 "MIDSTREAM_TASK_LOSSES_MAX=50", NULL};
    run.more_workers = process_spawn((const char *const[]){app, "work", "--workers", "2", "--redis", redis, "--keys",
                                                           keys, "--cookie-secure", "no", "--log-level", "error", NULL},
                                     &(struct process_options){.environment = environment});
}

Test(fault_tasks, every_accepted_task_is_accounted_for_whatever_is_killed)
{
    pthread_t killer;
    pthread_t adders[ADDERS];
    const char *wanted = getenv("TASKS");
    const char *program = getenv("MIDSTREAM");
    program = program != NULL ? program : "build/release/midstream";
    char *app = text_printf("%.*s/tests/task-app", (int)(strrchr(program, '/') - program), program);
    char log_path[] = "/tmp/midstream-task-log-XXXXXX";
    int fd = mkstemp(log_path);
    cr_assert(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    char *log = text_printf("TASK_LOG=%s", log_path);
    const char *environment[] = {log,
                                 "MIDSTREAM_TASK_LEASE_MS=2000",
                                 "MIDSTREAM_TASK_BACKOFF_MS=50",
                                 "MIDSTREAM_TASK_LOSSES_MAX=50",
                                 "RUN_ACCESS_LOG=off",
                                 NULL};
    run.count = wanted != NULL ? strtoul(wanted, NULL, 10) : 1000;
    run.tasks = calloc(run.count, sizeof(*run.tasks));
    run.site = site_open_with(&(struct stack_options){.workers = 2, .midstream = app, .environment = environment});
    cr_assert_eq(site_send(&run.site, "POST", "/session", NULL, NULL), 204);
    char *key = site_key(&run.site);
    start_more_workers(app, log);

    int64_t began_ms = clock_monotonic_ms();
    cr_assert_eq(pthread_create(&killer, NULL, kill_at_random, NULL), 0);
    for (int i = 0; i < ADDERS; i++)
        cr_assert_eq(pthread_create(&adders[i], NULL, add_tasks, NULL), 0);
    for (int i = 0; i < ADDERS; i++)
        pthread_join(adders[i], NULL);
    atomic_store(&run.is_over, true);
    pthread_join(killer, NULL);

    size_t left = 0;
    redis_probe_close(run.site.redis);
    struct stat status;
    (void)!stat(run.site.stack->redis_socket, &status);
    usleep(500000); /* the last Redis may still be loading */
    run.site.redis = redis_probe_open(run.site.stack->redis_socket);
    bool have_ended = wait_until(all_have_ended, &left, SETTLE_MS);
    int64_t took_ms = clock_monotonic_ms() - began_ms;

    size_t lost = count_of("lost", -1);
    size_t excused = 0;
    for (size_t i = 0; i < run.count; i++)
        excused += strcmp(run.tasks[i].state, "lost") == 0 && was_in_aof_window(&run.tasks[i]);
    size_t steps_done = count_of("done", STEP) + count_of("done", DELAYED) + count_of("done", CANCELLED);
    int64_t steps = stored_number(run.site.redis != NULL ? &run.site : NULL, key, "steps");
    printf("tasks=%zu done=%zu dead=%zu cancelled=%zu lost_with_the_last_seconds_of_a_killed_redis=%zu "
           "steps=%" PRId64 "/%zu kills: workers=%zu web=%zu redis=%zu repeated_enqueues=%zu took_s=%.1f\n",
           run.count, count_of("done", -1), count_of("dead", -1), count_of("cancelled", -1), lost, steps, steps_done,
           run.worker_kills, run.web_kills, run.redis_kills, run.repeated, (double)took_ms / 1000);
    fflush(stdout);
    cr_expect(have_ended, "%zu tasks have not ended", left);
    cr_expect_eq(lost, excused, "%zu accepted tasks have vanished", lost - excused);
    cr_expect_eq(count_of("done", FAIL) + count_of("done", CRASH), 0);
    size_t not_done = count_of("dead", STEP) + count_of("dead", DELAYED) + lost + left;
    cr_expect_geq(steps, (int64_t)steps_done);
    cr_expect_leq(steps, (int64_t)(steps_done + not_done), "a step was applied twice");

    process_signal(run.more_workers, SIGTERM);
    process_wait(run.more_workers, 30000);
    unlink(log_path);
    free(log), free(app), free(key), free(run.tasks);
    site_close(&run.site);
}
