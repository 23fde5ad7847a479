/* A master of the test's own. See master.h. */
#include "master.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/panic.h"
#include "fastcgi.h"
#include "site.h"

static const char guard_script[] = "read -r how || kill -KILL \"$1\"";

static const char *program(bool is_app)
{
    const char *named = getenv(is_app ? "INTEGRATION_APP" : "MIDSTREAM");
    if (named != NULL)
        return named;
    return is_app ? "build/asan/tests/integration-app" : "build/asan/midstream";
}

char *master_path(const struct master *master, const char *name)
{
    return text_printf("%s/%s", master->dir, name);
}

static void start_guard(struct master *master)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    OWNED char *pid = text_printf("%d", (int)master->pid);
    master->guard = process_spawn((const char *const[]){"/bin/sh", "-c", guard_script, "guard", pid, NULL},
                                  &(struct process_options){.input_fd = ends[0], .outlives_caller = true});
    close(ends[0]);
    master->guard_fd = ends[1];
}

static void stop_guard(struct master *master)
{
    cr_assert_eq(write(master->guard_fd, "done\n", 5), 5);
    close(master->guard_fd);
    process_wait(master->guard, PATIENCE_MS);
}

struct master master_prepare(void)
{
    struct master master = {.dir = text_printf("/tmp/midstream-master-XXXXXX")};
    cr_assert_not_null(mkdtemp(master.dir));
    master.socket = master_path(&master, "socket");
    OWNED char *keys = master_path(&master, "keys");
    struct buffer output = {0};
    int code =
        process_run((const char *const[]){program(false), "keygen", "--keys", keys, NULL}, NULL, &output, PATIENCE_MS);
    cr_assert_eq(code, 0);
    buffer_fini(&output);
    return master;
}

void master_start(struct master *master, const struct master_options *options)
{
    enum { ARGUMENTS_MAX = 64 };
    static const struct master_options defaults;
    options = options != NULL ? options : &defaults;
    OWNED char *listen = text_printf("unix:%s", master->socket);
    OWNED char *keys = master_path(master, "keys");
    OWNED char *log_path = master_path(master, "log");
    const char *argv[ARGUMENTS_MAX];
    size_t count = 0;
    if (options->wrapper != NULL) {
        argv[count++] = "/bin/sh";
        argv[count++] = "-c";
        argv[count++] = options->wrapper;
        argv[count++] = "wrapper";
    }
    /* No Redis: after this short time, workers serve without one. */
    const char *const own[] = {program(options->is_app),
                               "serve",
                               "--keys",
                               keys,
                               "--listen",
                               listen,
                               "--workers",
                               "2",
                               "--redis",
                               "unix:/nowhere",
                               "--redis-timeout-ms",
                               "10"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        argv[count++] = own[i];
    for (const char *const *flag = options->flags; flag != NULL && *flag != NULL; flag++) {
        ENSURE(count < ARGUMENTS_MAX - 1);
        argv[count++] = *flag; /* the last of equal flags counts */
    }
    argv[count] = NULL;

    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    cr_assert(log_fd >= 0);
    master->pid = process_spawn(argv, &(struct process_options){.environment = options->environment,
                                                                .input_fd = options->input_fd,
                                                                .output_fd = log_fd,
                                                                .has_errors_in_output = true});
    close(log_fd);
    start_guard(master);
    if (!options->fails && !master_wait_log(master, "master.ready", 1)) {
        char *log = master_log(master);
        cr_assert(false, "the master does not get ready: %s", log);
    }
}

struct master master_open(const struct master_options *options)
{
    struct master master = master_prepare();
    master_start(&master, options);
    return master;
}

int master_end(struct master *master, int signal_number)
{
    if (signal_number > 0)
        process_signal(master->pid, signal_number);
    int code = process_wait(master->pid, PATIENCE_MS);
    master->pid = 0;
    stop_guard(master);
    return code;
}

void master_close(struct master *master)
{
    if (master->pid > 0)
        cr_expect_eq(master_end(master, SIGTERM), 0);
    struct buffer output = {0};
    process_run((const char *const[]){"rm", "-rf", master->dir, NULL}, NULL, &output, PATIENCE_MS);
    buffer_fini(&output);
    free(master->socket);
    free(master->dir);
}

char *master_log(const struct master *master)
{
    OWNED char *path = master_path(master, "log");
    char *log = file_read(path, NULL);
    cr_assert_not_null(log);
    return log;
}

struct wanted {
    const struct master *master;
    const char *text;
    size_t times;
};

static bool log_has(void *arg)
{
    const struct wanted *wanted = arg;
    OWNED char *log = master_log(wanted->master);
    bool has = text_count(log, wanted->text) >= wanted->times;
    return has;
}

bool master_wait_log(const struct master *master, const char *text, size_t times)
{
    return wait_until(log_has, &(struct wanted){master, text, times}, PATIENCE_MS);
}

bool master_answers(int fd, const char *path)
{
    struct buffer request = {0};
    fastcgi_get(&request, path, NULL, 0);
    fastcgi_write(fd, &request);
    struct fastcgi_answer answer = fastcgi_read_answer(fd);
    bool is_good = answer.has_end && strncmp(answer.out.data, "Status: 200", 11) == 0;
    fastcgi_answer_fini(&answer);
    buffer_fini(&request);
    close(fd);
    return is_good;
}

void master_workers(const struct master *master, pid_t workers[], size_t count)
{
    pid_t found[STACK_WORKERS_MAX];
    size_t found_count = process_children(master->pid, found, STACK_WORKERS_MAX);
    cr_assert_eq(found_count, count, "%zu", found_count);
    memcpy(workers, found, count * sizeof(pid_t));
}
