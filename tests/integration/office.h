/*
 * A site with workers of background tasks, and a look at what becomes of the tasks: of tests/fault/app/main.c.
 *
 * As with site.h, what a test asks for and does not get ends the test.
 */
#ifndef INTEGRATION_OFFICE_H
#define INTEGRATION_OFFICE_H

#include "base/buffer.h"
#include "site.h"

enum { TEXT_BYTES = 512 };

/* Quick settings: short leases and pauses. */
#define QUICK "MIDSTREAM_TASK_BACKOFF_MS=50", "MIDSTREAM_TASK_LEASE_MS=1500"

struct office {
    struct site site;
    char log[64]; /* of the tasks themselves: see tests/fault/app/main.c */
};

struct office office_open(const char *const settings[]);
void office_close(struct office *office);

/* The program; to be freed. */
char *app_path(void);

/* The master of the processes that do tasks, and the one of them. */
pid_t work_master(const struct office *office);
pid_t work_process(const struct office *office);

/* Posts a task: the status, and the id when it was accepted. */
int add(const struct office *office, const char *path, const char *payload, char id[static TEXT_BYTES]);
void must_add(const struct office *office, const char *path, const char *payload, char id[static TEXT_BYTES]);

/* Waits until what GET /task/{id} answers begins with the text. */
void await(const struct office *office, const char *id, const char *text);

/* A field of the task's record in Redis; NULL: it has none. */
char *field(const struct office *office, const char *id, const char *name);
int64_t number(const struct office *office, const char *id, const char *name);

/* How many lines of the tasks' log are of this task and this kind; waits until there are so many. */
size_t noted(const struct office *office, const char *what, const char *id);
void await_note(const struct office *office, const char *what, const char *id, size_t count);

/* Waits until the log of the task workers has the text so often. */
void await_log(const struct office *office, const char *text, size_t count);

/* Gives the visitor a session. */
void make_session(const struct office *office);

/* `midstream task ACTION [WORD]`: the exit code. */
int operate(const struct office *office, const char *action, const char *word, struct buffer *output);

#endif
