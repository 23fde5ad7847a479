/*
 * What has happened, as the journal tells it.
 *
 * Lines, in the order of things (app/journal.h), each with the time in front:
 *
 *     + RUN KIND RID GENERATION       the test sends a run, with this session's cookie ("-": none)
 *     = RUN VERDICT RID GENERATION    how its handler ended (ok, ended, refused, failed, unknown), and the cookie that
 *                                     came with it ("-": none)
 *     ? RUN RID                       or it was in this session, and nobody can tell
 *     > CALL PID VALUE WAY OPERATION...    < CALL ERROR ANSWER     . RUN.PHASE ERROR       app/script.h
 *     S RID                           the test is about to look into the record
 *     T RID gone | T RID FIELD=VALUE...    and has seen
 *     - RID                           nobody is sent to this session any more
 *     ! TEXT                          a fault
 *
 * A line's number is its place in the order of things. The names of calls are unique; the value of a call is its name,
 * but for the steps of a task, which are one for all attempts.
 */
#ifndef MODEL_HISTORY_H
#define MODEL_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NEVER SIZE_MAX

/* Pointers, in a row. */
struct row {
    void **items;
    size_t count;
    size_t room;
};

void row_add(struct row *row, void *item);

enum way {
    WAY_COMMIT,
    WAY_STEP,
    WAY_ASK,
    WAY_RENEW,
    WAY_DESTROY,
    WAY_ENQUEUE,
    WAY_IMPLICIT,
    WAY_DROP,
    WAY_READ,
    WAY_PEEK
};

enum code {
    CODE_SET,
    CODE_BYTES,
    CODE_DELETE,
    CODE_INCREMENT,
    CODE_APPEND,
    CODE_TAIL,
    CODE_REFUSED, /* bad, long, nan: the commit has to be refused */
    CODE_GET,     /* of peek */
    CODE_TAKE,
    CODE_SET_IF_ABSENT,
    CODE_COMPARE_AND_SET,
    CODE_RENEW, /* another user */
    CODE_AGAIN, /* the same one */
};

struct operation {
    enum code code;
    const char *field;    /* of renew: the user */
    const char *expected; /* of compare-and-set */
    int64_t by;           /* of increment */
};

enum verdict {
    MAYBE,   /* applied once, or never */
    APPLIED, /* once */
    NOT,
};

struct sight;

struct call {
    const char *name;
    const char *value;
    struct handle *handle;
    struct record *record; /* as of sort_calls(); NULL: not known */
    bool is_lost;          /* the same: it may have been in another session, whose cookie nobody has seen */
    char phase;
    enum way way;
    bool has_doubt; /* the view may show what is not stored */
    struct operation *operations;
    size_t count;
    size_t begin;        /* the lines */
    size_t end;          /* NEVER: there is no answer */
    const char *error;   /* NULL: it is not known */
    const char *answer;  /* NULL: none */
    struct sight *sight; /* of a read; NULL: none */
    pid_t worker;

    /* judged (judge.h) */
    struct call
        *first; /* of a task's step: the first attempt's call, which stands for all; otherwise the call itself */
    enum verdict verdict;
    size_t until;     /* after this line it is not applied any more */
    bool is_promised; /* not answered, but a later call of the handle was, which had to take it along */
    size_t position;  /* in the log, from 1; 0: it was not seen there */
};

/* One opened session: of a request with its after-response functions, or of an attempt of a task. */
struct handle {
    struct run *run;
    const char *attempt; /* "t4711-3.1": of a task, and more that does not matter; NULL: of a request */
    struct row calls;    /* in their order */
    size_t last_line;
};

struct run {
    unsigned long number;
    const char *kind;
    struct record *record;  /* whose cookie it had in the end; NULL: not known */
    struct record *sent_to; /* whose cookie it was sent with */
    uint32_t generation;    /* of the cookie that was sent */
    uint32_t renewed;       /* of the one that came back for the same session; 0: none */
    size_t begin;
    size_t end;          /* NEVER: nothing was heard */
    const char *verdict; /* of its handler; NULL: not known */
    struct row handles;
};

/* All fields at one moment between two lines. */
struct sight {
    size_t begin;
    size_t end;
    bool is_gone;
    const struct call *call; /* that read it; NULL: the test, in Redis itself */
    char **words;            /* FIELD=VALUE */
    size_t count;
    size_t position; /* in the log's order (order.c): so many commits were done; NEVER: it is not known */
};

struct record {
    const char *rid;
    struct row calls;    /* of its runs, as of sort_calls() */
    struct row sights;   /* the test's own */
    size_t first_logout; /* line: somebody began to end the session; NEVER */
    bool is_unclear;     /* what belongs to it cannot be told: a visitor lost his session, and was in doubt */
    size_t given_up;     /* line; NEVER: it is in use */
    bool is_checked;
};

struct history;

struct history *history_new(void);
void history_free(struct history *history);

/* The next line, without its end. */
void history_add(struct history *history, const char *line);

/* Reads what has been added to the file since the last time. */
void history_read(struct history *history, int fd);

const struct row *history_records(const struct history *history);
const struct row *history_runs(const struct history *history);
const struct row *history_calls(const struct history *history);

/* The call that writes the value (the first of a task's attempts), or NULL. */
struct call *history_find(const struct history *history, const char *value, size_t length);

/* How many operations were begun; a read is one. */
size_t history_operations(const struct history *history);

size_t history_line_count(const struct history *history);
const char *history_line(const struct history *history, size_t number);
int64_t history_time_ms(const struct history *history, size_t number);

/* The value of a field in a sight; NULL: it is absent. */
const char *sight_field(const struct sight *sight, const char *field);

#endif
