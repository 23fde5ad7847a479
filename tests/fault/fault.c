/* What the fault tests share. See fault.h. */
#include "fault.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

size_t fault_scale(size_t in_short, size_t in_long)
{
    const char *is_long = getenv("FAULT_LONG");
    return is_long != NULL && strcmp(is_long, "1") == 0 ? in_long : in_short;
}

/* -------------------- workers -------------------- */

struct workers_wish {
    const struct site *site;
    size_t count;
    pid_t gone;
};

static bool has_workers(void *arg)
{
    const struct workers_wish *wish = arg;
    pid_t workers[STACK_WORKERS_MAX];
    size_t count = stack_workers(wish->site->stack, workers);
    for (size_t i = 0; i < count; i++)
        if (workers[i] == wish->gone)
            return false;
    return count == wish->count;
}

int64_t fault_await_workers(const struct site *site, size_t count, pid_t gone, int timeout_ms)
{
    int64_t began_ms = clock_monotonic_ms();
    bool is_whole = wait_until(has_workers, &(struct workers_wish){site, count, gone}, timeout_ms);
    return is_whole ? clock_monotonic_ms() - began_ms : -1;
}

int64_t fault_cpu_ms(pid_t pid)
{
    OWNED char *path = text_printf("/proc/%d/stat", (int)pid);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text, "there is no process %d", (int)pid);
    unsigned long user;
    unsigned long system;
    /* Fields 14 and 15 of proc(5); the command, which may hold anything, is the second. */
    int got = sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    cr_assert_eq(got, 2);
    return (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* -------------------- Redis -------------------- */

static bool has_ended(void *arg)
{
    return !process_is_alive(*(pid_t *)arg);
}

void fault_kill_redis(struct site *site)
{
    redis_probe_close(site->redis);
    site->redis = NULL;
    process_signal(site->stack->redis, SIGKILL);
    cr_assert(wait_until(has_ended, &site->stack->redis, PATIENCE_MS));
}

static bool answers(void *arg)
{
    const struct site *site = arg;
    struct buffer output = {0};
    int code = process_run((const char *const[]){"redis-cli", "-s", site->stack->redis_socket, "ping", NULL}, NULL,
                           &output, PATIENCE_MS);
    bool is_up = code == 0 && output.length >= 4 && memcmp(output.data, "PONG", 4) == 0;
    buffer_fini(&output);
    return is_up;
}

/* In the same directory, so with the same data; stack_stop() ends it by its pid file. */
void fault_start_redis(struct site *site)
{
    OWNED char *data = text_printf("%s/redis", site->stack->dir);
    OWNED char *pid_file = text_printf("%s/redis.pid", site->stack->dir);
    OWNED char *log = text_printf("%s/redis.log", site->stack->dir);
    unlink(site->stack->redis_socket);
    site->stack->redis =
        process_spawn((const char *const[]){"redis-server", "scripts/redis.conf", "--port", "0", "--unixsocket",
                                            site->stack->redis_socket, "--unixsocketperm", "777", "--dir", data,
                                            "--pidfile", pid_file, "--logfile", log, NULL},
                      NULL);
    cr_assert(wait_until(answers, site, PATIENCE_MS), "Redis did not start again");
    site->redis = redis_probe_open(site->stack->redis_socket);
}

int64_t fault_stored_number(const struct site *site, const char *cookie, const char *field)
{
    struct site other = *site;
    other.visitor = cookie_jar_new();
    cookie_jar_set(other.visitor, "mid", cookie);
    OWNED char *key = site_key(&other);
    int64_t number = stored_number(&other, key, field);
    cookie_jar_free(other.visitor);
    return number > 0 ? number : 0;
}

int64_t fault_stored_revision(const struct site *site, const char *cookie)
{
    struct site other = *site;
    other.visitor = cookie_jar_new();
    cookie_jar_set(other.visitor, "mid", cookie);
    OWNED char *key = site_key(&other);
    int64_t revision = stored_header(&other, key).revision;
    cookie_jar_free(other.visitor);
    return revision;
}

size_t fault_count_miscommitted(const struct site *site, struct crowd *crowd, size_t streams, int64_t events)
{
    size_t wrong = 0;
    for (size_t i = 0; i < streams; i++) {
        OWNED char *cookie = crowd_cookie(crowd, i);
        cr_assert_not_null(cookie);
        wrong += fault_stored_number(site, cookie, "event") != events || fault_stored_revision(site, cookie) != events;
    }
    return wrong;
}

static bool session_works(void *arg)
{
    return site_send(arg, "GET", "/counter", NULL, NULL) == 200;
}

bool fault_await_sessions(struct site *site)
{
    return wait_until(session_works, site, PATIENCE_MS);
}
