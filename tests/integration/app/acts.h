/*
 * What the files of acts share: who plays, and the acts that are not in acts.c.
 */
#ifndef INTEGRATION_ACTS_H
#define INTEGRATION_ACTS_H

#include "app.h"

struct player {
    struct mid_request *rq;
    struct mid_task *task; /* NULL: none */
    const char *who;
    struct mid_session *session; /* opened by the first act that needs it */
    const char *value;           /* of this act; NULL: none */
    const char *kept;            /* where the runtime has put it */
    const char *kept_copy;
    bool has_begun;          /* a stream */
    struct mid_durable *log; /* the last one that was created or found */
};

/* Missing words are "". */
typedef enum mid_error act_fn(struct player *player, const char *const words[]);

/* "nothing" for NULL. */
static inline const char *act_text(const char *text)
{
    return text != NULL ? text : "nothing";
}

/* -------------------- acts_live.c: changes of others, and the sessions of a user -------------------- */

act_fn wait_act;    /* "wait:MS" */
act_fn changed_act; /* "changed:FIELD" */

/* "follow:FIELD:NUMBER": waits, again and again, until the field is that number, and tells whether each wait had a
 * reason. */
act_fn follow_act;

act_fn require_login_act; /* "require-login:MS" tells the user */
act_fn begin_login_act;   /* "begin-login:USER" */
act_fn describe_act;      /* "describe:ADDRESS:AGENT" */

/* "sessions:USER": the latest login first, each as its address, "*" behind it for this one. */
act_fn sessions_act;

act_fn count_sessions_act; /* "count-sessions:USER" */

/* "end-session:USER:ADDRESS" (the first with that address, or "ID" as it stands), "end-others", "end-all:USER": how
 * many. */
act_fn end_session_act;
act_fn end_others_act;
act_fn end_all_act;

/* -------------------- acts_durable.c: durable streams -------------------- */

/* "log-create:NAME:OPTION" and "log-find:NAME:OPTION" tell what it is then, as "log-state" does: tail, start, whether
 * it is closed. The option is none, or "user", "public", "json", "tiny" (10 bytes), "trims" (10 bytes, the oldest go),
 * "minute" (of lifetime), or "as" for a producer of the name that follows: "log-find:answer:as:p". */
act_fn log_create_act;
act_fn log_find_act;
act_fn log_state_act;

act_fn log_append_act;       /* "log-append:TEXT" tells the tail, as what follows does */
act_fn log_append_event_act; /* "log-event:NAME:TEXT" */
act_fn log_commit_act;       /* "log-commit:TEXT" with what is recorded */
act_fn log_end_act;          /* "log-end:TEXT" commits it, and closes with it */
act_fn log_close_act;
act_fn log_read_act; /* "log-read:OFFSET" tells the bytes up to the end */
act_fn log_delete_act;
act_fn log_wait_act;   /* "log-wait:OFFSET:MS" tells the tail */
act_fn log_follow_act; /* "log-follow": streams it as it grows, up to its end */

/* "log-fill:NUMBER": appends the numbers from the tail on, of three digits each, until there are so many; with
 * ":close" behind it, it closes the stream then. "log-tell" is
 * the same with commits of the session, whose field "told" gets them as well. */
act_fn log_fill_act;
act_fn log_tell_act;

/* "log-many:NUMBER": commits the numbers from 0 on whatever comes of it, and tells how many were kept without an answer
 * and how many were not taken. */
act_fn log_many_act;

#endif
