/*
 * A whole Midstream for one test. See stack.h.
 *
 * DESIGN: every stack has a guard, a shell that reads from a pipe which only the test holds. stack_stop() writes "done"
 * into it; a test that ends in any other way closes it. In both cases the shell stops the stack, so there is one way
 * down and it is used every time; only in the second case are the logs shown and kept.
 */
#include "support/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/panic.h"
#include "support/process.h"
#include "support/owned.h"
#include "support/redis_cluster.h"

enum {
    START_TIMEOUT_MS = 60000,
    STOP_TIMEOUT_MS = 60000,
    ENVIRONMENT_MAX = 64,
};

static const char guard_script[] =
    "read -r how\n"
    "scripts/run --stop --dir \"$1\" >>\"$1/stop.log\" 2>&1\n"
    "if [ \"$how\" = done ]; then rm -rf \"$1\" \"$1.cluster\"; exit; fi\n"
    "echo \"The test ended without stopping its stack. The logs stay in $1; their last lines:\" >&2\n"
    "for log in \"$1\"/*.log; do [ -s \"$log\" ] && { echo \"== $log\"; tail -n 40 \"$log\"; } >&2; done\n"
    "exit 0\n";

static char *text_printf(const char *format, ...) MID_FORMAT(1, 2);

static char *text_printf(const char *format, ...)
{
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    buffer_append(&text, "", 1);
    return text.data;
}

static void start_guard(struct stack *stack)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        panic("pipe: %s", strerror(errno));
    const char *const argv[] = {"/bin/sh", "-c", guard_script, "guard", stack->dir, NULL};
    stack->guard = process_spawn(argv, &(struct process_options){.input_fd = ends[0], .outlives_caller = true});
    close(ends[0]);
    stack->guard_fd = ends[1];
}

/* The programs of the stack run in the directory of the repository, so a relative path stays right. */
static void run_script(struct stack *stack, const struct stack_options *options)
{
    const char *argv[16] = {"scripts/run", "--port", "0", "--dir", stack->dir, "--detach"};
    char workers[16];
    if (options->workers > 0) {
        snprintf(workers, sizeof(workers), "%d", options->workers);
        argv[6] = "--workers";
        argv[7] = workers;
    }
    const char *program = options->midstream ? options->midstream : getenv("MIDSTREAM");
    OWNED char *midstream = text_printf("MIDSTREAM=%s", program ? program : "build/asan/midstream");
    /* A test's machine may be slow, and all visitors come from it; tests of these limits themselves set them. */
    const char *environment[ENVIRONMENT_MAX + 1] = {midstream, "MIDSTREAM_REDIS_HEAD_TIMEOUT_MS=2000",
                                                    "MIDSTREAM_SESSION_NEW_MAX=0"};
    size_t count = 3;
    OWNED char *redis = stack->cluster != NULL ? text_printf("MIDSTREAM_REDIS=%s", stack->redis_url) : NULL;
    if (redis != NULL)
        environment[count++] = redis;
    for (const char *const *pair = options->environment; pair && *pair; pair++) {
        ENSURE(count < ENVIRONMENT_MAX);
        environment[count++] = *pair;
    }
    struct buffer output = {0};
    int code = process_run(argv, environment, &output, START_TIMEOUT_MS);
    /* Ending the test lets the guard show the logs. */
    if (code != 0) {
        fprintf(stderr, "%.*s", (int)output.length, output.data ? output.data : "");
        panic("scripts/run --dir %s: exit code %d", stack->dir, code);
    }
    buffer_fini(&output);
}

/* One line of a file of the stack's directory. */
static char *read_line(const struct stack *stack, const char *name)
{
    OWNED char *path = text_printf("%s/%s", stack->dir, name);
    char *text = file_read(path, NULL);
    if (!text)
        panic("scripts/run did not write %s", path);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static char *read_url(const struct stack *stack, const char *name)
{
    char *url = read_line(stack, name);
    size_t length = strlen(url);
    if (length > 0 && url[length - 1] == '/')
        url[length - 1] = '\0';
    return url;
}

static pid_t read_pid(const struct stack *stack, const char *name)
{
    OWNED char *text = read_line(stack, name);
    long pid = strtol(text, NULL, 10);
    if (pid <= 1)
        panic("%s/%s does not hold a process id", stack->dir, name);
    return (pid_t)pid;
}

/* None is started where MIDSTREAM_REDIS names another one. */
static bool has_own_redis(const struct stack_options *options)
{
    static const char name[] = "MIDSTREAM_REDIS=";
    for (const char *const *pair = options ? options->environment : NULL; pair && *pair; pair++)
        if (strncmp(*pair, name, sizeof(name) - 1) == 0)
            return false;
    return true;
}

static void start_cluster(struct stack *stack)
{
    stack->cluster = calloc(1, sizeof(*stack->cluster));
    ENSURE(stack->cluster != NULL);
    OWNED char *directory = text_printf("%s.cluster", stack->dir); /* scripts/run wants its own to be empty */
    if (mkdir(directory, 0700) != 0)
        panic("mkdir %s: %s", directory, strerror(errno));
    redis_cluster_start(stack->cluster,
                        &(struct redis_cluster_options){.directory = directory, .masters = 3, .replicas = 1});
    stack->redis_url = text_printf("%s", stack->cluster->url);
}

struct stack *stack_start(const struct stack_options *options)
{
    static const struct stack_options defaults;
    struct stack *stack = calloc(1, sizeof(*stack));
    ENSURE(stack != NULL);
    /* Short, because the path of a unix socket has at most 107 bytes. */
    const char *parent = getenv("TMPDIR");
    stack->dir = text_printf("%s/midstream-test-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(stack->dir))
        panic("mkdtemp %s: %s", stack->dir, strerror(errno));
    start_guard(stack);
    bool has_redis = has_own_redis(options);
    if (has_redis && getenv("REDIS_CLUSTER") != NULL)
        start_cluster(stack);
    else
        stack->redis_url = text_printf("unix:%s/redis.sock", stack->dir);
    run_script(stack, options ? options : &defaults);
    stack->url = read_url(stack, "url");
    stack->url_h2 = read_url(stack, "url-h2");
    stack->redis_socket = text_printf("%s/redis.sock", stack->dir);
    stack->admin_socket = text_printf("%s/admin.sock", stack->dir);
    stack->master = read_pid(stack, "midstream.pid");
    stack->nginx = read_pid(stack, "nginx.pid");
    stack->redis = has_redis && stack->cluster == NULL ? read_pid(stack, "redis.pid") : 0;
    return stack;
}

void stack_stop(struct stack *stack)
{
    if (!stack)
        return;
    static const char done[] = "done\n";
    if (write(stack->guard_fd, done, sizeof(done) - 1) < 0)
        panic("the stack's guard has gone: %s", strerror(errno));
    close(stack->guard_fd);
    int code = process_wait(stack->guard, STOP_TIMEOUT_MS);
    if (code != 0)
        panic("the stack in %s did not stop (%d)", stack->dir, code);
    if (process_is_alive(stack->master))
        panic("scripts/run --stop left the master %d running", (int)stack->master);
    if (stack->cluster != NULL)
        redis_cluster_stop(stack->cluster);
    free(stack->cluster);
    free(stack->redis_url);
    free(stack->dir);
    free(stack->url);
    free(stack->url_h2);
    free(stack->redis_socket);
    free(stack->admin_socket);
    free(stack);
}

/* The master's other child serves metrics; it tells itself from the workers by its name. */
static bool is_admin(pid_t pid)
{
    OWNED char *path = text_printf("/proc/%d/comm", (int)pid);
    OWNED char *name = file_read(path, NULL);
    bool is_so = name && strcmp(name, "midstream-admin\n") == 0;
    return is_so;
}

size_t stack_workers(const struct stack *stack, pid_t workers[static STACK_WORKERS_MAX])
{
    return workers_of(stack->master, workers);
}

size_t workers_of(pid_t master, pid_t workers[static STACK_WORKERS_MAX])
{
    pid_t children[STACK_WORKERS_MAX + 1];
    size_t children_count = process_children(master, children, STACK_WORKERS_MAX + 1);
    ENSURE(children_count <= STACK_WORKERS_MAX + 1);
    size_t count = 0;
    for (size_t i = 0; i < children_count; i++)
        if (!is_admin(children[i]))
            workers[count++] = children[i];
    return count;
}

char *stack_url(const struct stack *stack, const char *path)
{
    return text_printf("%s%s", stack->url, path);
}
