/* A site whose handlers play what a test tells them. See stage.h. */
#include "stage.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTINGS_MAX = 16 };

static const char *app_path(void)
{
    const char *program = getenv("INTEGRATION_APP");
    return program != NULL ? program : "build/asan/tests/integration-app";
}

struct stage stage_open(const char *const settings[])
{
    struct stage stage = {0};
    const char *environment[SETTINGS_MAX] = {0};
    snprintf(stage.dir, sizeof(stage.dir), "/tmp/midstream-stage-XXXXXX");
    cr_assert(mkdtemp(stage.dir) != NULL && chmod(stage.dir, 0777) == 0); /* workers are of another user */
    OWNED char *dir = text_printf("STAGE=%s", stage.dir);
    environment[0] = dir;
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++) {
        cr_assert_lt(i + 2, SETTINGS_MAX);
        environment[i + 1] = settings[i];
    }
    stage.site =
        site_open_with(&(struct stack_options){.workers = 1, .environment = environment, .midstream = app_path()});
    return stage;
}

void stage_close(struct stage *stage)
{
    struct buffer output = {0};
    site_close(&stage->site);
    cr_expect_eq(process_run((const char *const[]){"rm", "-r", stage->dir, NULL}, NULL, &output, PATIENCE_MS), 0);
    buffer_fini(&output);
}

/* -------------------- playing -------------------- */

int stage_act(const struct stage *stage, const char *acts, struct http_response *response)
{
    OWNED char *path = text_printf("/act?acts=%s", acts);
    int status = site_send(&stage->site, "POST", path, "", response);
    return status;
}

struct http_stream *stage_stream(const struct stage *stage, const char *acts)
{
    OWNED char *path = text_printf("/act?acts=%s", acts);
    struct http_stream *stream = site_stream(&stage->site, path);
    return stream;
}

void stage_add_task(const struct stage *stage, const char *acts)
{
    OWNED char *path = text_printf("/act-task?acts=%s", acts);
    cr_assert_eq(site_send(&stage->site, "POST", path, "", NULL), 202);
}

void stage_open_gate(const struct stage *stage, const char *who, const char *gate)
{
    OWNED char *path = text_printf("%s/%s.%s", stage->dir, who, gate);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    cr_assert_geq(fd, 0, "%s was open already", path);
    close(fd);
}

/* -------------------- notes -------------------- */

struct note_wish {
    const struct stage *stage;
    const char *start; /* of a line */
    char *rest;        /* of that line */
};

char *stage_notes(const struct stage *stage)
{
    OWNED char *path = text_printf("%s/notes", stage->dir);
    char *notes = file_read(path, NULL);
    return notes != NULL ? notes : strdup("");
}

static bool has_note(void *arg)
{
    struct note_wish *wish = arg;
    size_t length = strlen(wish->start);
    OWNED char *notes = stage_notes(wish->stage);
    for (const char *line = notes, *end; wish->rest == NULL && (end = strchr(line, '\n')) != NULL; line = end + 1)
        if (strncmp(line, wish->start, length) == 0)
            wish->rest = strndup(line + length, (size_t)(end - line) - length);
    return wish->rest != NULL;
}

static char *await_note(const struct stage *stage, const char *start)
{
    struct note_wish wish = {.stage = stage, .start = start};
    if (!wait_until(has_note, &wish, PATIENCE_MS)) {
        char *notes = stage_notes(stage);
        cr_assert_fail("there is no note that begins with \"%s\", but:\n%s", start, notes);
    }
    return wish.rest;
}

char *stage_note(const struct stage *stage, const char *number)
{
    OWNED char *start = text_printf("%s ", number);
    char *note = await_note(stage, start);
    return note;
}

void stage_await_gate(const struct stage *stage, const char *who, const char *gate)
{
    OWNED char *start = text_printf("%s at %s", who, gate);
    free(await_note(stage, start));
}

/* -------------------- task workers -------------------- */

struct task_worker_wish {
    pid_t master;
    pid_t workers[STACK_WORKERS_MAX];
};

static bool has_task_worker(void *arg)
{
    struct task_worker_wish *wish = arg;
    return workers_of(wish->master, wish->workers) == 1;
}

pid_t stage_task_worker(const struct stage *stage)
{
    OWNED char *path = text_printf("%s/work.pid", stage->site.stack->dir);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text);
    struct task_worker_wish wish = {.master = (pid_t)strtol(text, NULL, 10)};
    cr_assert(wait_until(has_task_worker, &wish, PATIENCE_MS));
    return wish.workers[0];
}

pid_t stage_start_task_workers(const struct stage *stage, const char *setting)
{
    const char *redis = stage->site.stack->redis_url;
    char *keys = text_printf("%s/keys", stage->site.stack->dir);
    char *dir = text_printf("STAGE=%s", stage->dir);
    const char *argv[] = {app_path(), "work", "--workers",       "1",  "--redis", redis,
                          "--keys",   keys,   "--cookie-secure", "no", NULL};
    const char *environment[] = {dir, setting, NULL};
    pid_t pid = process_spawn(argv, &(struct process_options){.environment = environment});
    free(dir), free(keys);
    return pid;
}

/* -------------------- notifications -------------------- */

static long long listeners(const struct stage *stage, const char *channel)
{
    return redis_int(stage->site.redis, "EVAL %s 0 %s", "return redis.call('PUBSUB', 'NUMSUB', ARGV[1])[2]", channel);
}

void stage_await_listeners(const struct stage *stage, const char *channel, long long count)
{
    for (int i = 0; i < PATIENCE_MS / 10 && listeners(stage, channel) != count; i++)
        usleep(10000);
    cr_assert_eq(listeners(stage, channel), count, "%lld connections hear %s", listeners(stage, channel), channel);
}

bool stage_is_watched(const struct stage *stage, const char *key)
{
    return (stored_header(&stage->site, key).flags >> HEADER_WATCH_SHIFT) != 0;
}

void stage_await_wait(const struct stage *stage, const char *key)
{
    stage_await_listeners(stage, key, 1);
    for (int i = 0; i < PATIENCE_MS / 10 && !stage_is_watched(stage, key); i++)
        usleep(10000);
    cr_assert(stage_is_watched(stage, key));
}
