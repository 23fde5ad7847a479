/* A site with workers of background tasks. See office.h. */
#include "office.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -------------------- set-up -------------------- */

char *app_path(void)
{
    const char *program = getenv("TASK_APP");
    if (program != NULL)
        return strdup(program);
    program = getenv("MIDSTREAM");
    program = program != NULL ? program : "build/asan/midstream";
    return text_printf("%.*s/tests/task-app", (int)(strrchr(program, '/') - program), program);
}

struct office office_open(const char *const settings[])
{
    struct office office = {0};
    const char *environment[16] = {0};
    snprintf(office.log, sizeof(office.log), "/tmp/midstream-task-log-XXXXXX");
    int fd = mkstemp(office.log);
    cr_assert(fd >= 0 && fchmod(fd, 0666) == 0);
    close(fd);
    OWNED char *log = text_printf("TASK_LOG=%s", office.log);
    OWNED char *app = app_path();
    size_t count = 0;
    environment[count++] = log;
    for (; settings != NULL && *settings != NULL; settings++)
        environment[count++] = *settings;
    office.site = site_open_with(&(struct stack_options){.workers = 1, .midstream = app, .environment = environment});
    return office;
}

void office_close(struct office *office)
{
    unlink(office->log);
    site_close(&office->site);
}

pid_t work_master(const struct office *office)
{
    OWNED char *path = text_printf("%s/work.pid", office->site.stack->dir);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    return pid;
}

pid_t work_process(const struct office *office)
{
    pid_t workers[STACK_WORKERS_MAX];
    cr_assert_eq(workers_of(work_master(office), workers), 1);
    return workers[0];
}

/* -------------------- adding and looking -------------------- */

int add(const struct office *office, const char *path, const char *payload, char id[static TEXT_BYTES])
{
    struct http_response response;
    int status = site_send(&office->site, "POST", path, payload, &response);
    snprintf(id, TEXT_BYTES, "%s", response.body.data);
    http_response_fini(&response);
    return status;
}

void must_add(const struct office *office, const char *path, const char *payload, char id[static TEXT_BYTES])
{
    int status = add(office, path, payload, id);
    cr_assert_eq(status, 202, "%s: %d %s", path, status, id);
}

struct wanted {
    const struct office *office;
    const char *id;
    const char *text; /* what GET /task/{id} begins with */
    char seen[TEXT_BYTES];
};

static bool looks_so(void *arg)
{
    struct wanted *wanted = arg;
    struct http_response response;
    OWNED char *path = text_printf("/task/%s", wanted->id);
    site_send(&wanted->office->site, "GET", path, NULL, &response);
    snprintf(wanted->seen, sizeof(wanted->seen), "%s", response.body.data);
    http_response_fini(&response);
    return strncmp(wanted->seen, wanted->text, strlen(wanted->text)) == 0;
}

void await(const struct office *office, const char *id, const char *text)
{
    struct wanted wanted = {.office = office, .id = id, .text = text};
    bool is_so = wait_until(looks_so, &wanted, 30000);
    cr_assert(is_so, "%s did not become \"%s\", but is \"%s\"", id, text, wanted.seen);
}

char *field(const struct office *office, const char *id, const char *name)
{
    return redis_text(office->site.redis, "HGET mid:q:{default}:task:%s %s", id, name);
}

int64_t number(const struct office *office, const char *id, const char *name)
{
    OWNED char *text = field(office, id, name);
    cr_assert_not_null(text, "%s has no %s", id, name);
    int64_t value = strtoll(text, NULL, 10);
    return value;
}

size_t noted(const struct office *office, const char *what, const char *id)
{
    OWNED char *log = file_read(office->log, NULL);
    OWNED char *line = text_printf("%s %s ", what, id);
    size_t count = text_count(log, line);
    return count;
}

struct noting {
    const struct office *office;
    const char *what;
    const char *id;
    size_t count;
};

static bool is_noted(void *arg)
{
    const struct noting *noting = arg;
    return noted(noting->office, noting->what, noting->id) >= noting->count;
}

void await_note(const struct office *office, const char *what, const char *id, size_t count)
{
    struct noting noting = {office, what, id, count};
    cr_assert(wait_until(is_noted, &noting, 30000), "%s of %s was not noted", what, id);
}

void make_session(const struct office *office)
{
    cr_assert_eq(site_send(&office->site, "POST", "/session", NULL, NULL), 204);
}

int operate(const struct office *office, const char *action, const char *word, struct buffer *output)
{
    OWNED char *app = app_path();
    const char *redis = office->site.stack->redis_url;
    OWNED char *keys = text_printf("%s/keys", office->site.stack->dir);
    const char *with_word[] = {app, "task", action, word, "--redis", redis, "--keys", keys, NULL};
    const char *without[] = {app, "task", action, "--redis", redis, "--keys", keys, NULL};
    const char *const *argv = word != NULL ? with_word : without;
    int code = process_run(argv, NULL, output, 10000);
    buffer_append(output, "", 1);
    return code;
}

static char *work_log(const struct office *office)
{
    OWNED char *path = text_printf("%s/work.log", office->site.stack->dir);
    char *text = file_read(path, NULL);
    return text;
}

struct log_text {
    const struct office *office;
    const char *text;
    size_t count;
};

static bool is_logged(void *arg)
{
    const struct log_text *wanted = arg;
    OWNED char *log = work_log(wanted->office);
    bool is_there = log != NULL && text_count(log, wanted->text) >= wanted->count;
    return is_there;
}

void await_log(const struct office *office, const char *text, size_t count)
{
    struct log_text wanted = {office, text, count};
    cr_assert(wait_until(is_logged, &wanted, 30000), "the log of the workers has no \"%s\"", text);
}
