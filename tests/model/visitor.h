/* A visitor of the model test: his cookie, and which session it names. May be used by any thread. */
#ifndef MODEL_VISITOR_H
#define MODEL_VISITOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COOKIE_BYTES = 80, RID_TEXT_BYTES = 33, USER_BYTES = 32 };

struct cookie {
    char value[COOKIE_BYTES]; /* "": none */
    char rid[RID_TEXT_BYTES]; /* "-": none */
    uint32_t generation;
};

struct visitor {
    pthread_mutex_t mutex;
    struct cookie cookie;
    struct cookie before; /* the last renewal */
    char user[USER_BYTES];
    int refusals;  /* in a row */
    bool is_login; /* the answer to a login is awaited */
    size_t marks;  /* that runs may have added to the log since the record was looked at */
};

void visitor_init(struct visitor *visitor);

/* Reads what a cookie says of itself. False: it is none. */
bool cookie_read(struct cookie *cookie, const char *value);
struct cookie cookie_none(void);

struct cookie visitor_cookie(struct visitor *visitor);

/* A run with so many marks is about to be sent. */
void visitor_count_marks(struct visitor *visitor, size_t marks);

/* The session, if it has to be looked at before its log has grown too much; "-" otherwise. */
struct cookie visitor_due(struct visitor *visitor, size_t marks);

/* What a response has told who was sent with `sent`. */
enum heard { HEARD_OK, HEARD_ENDED, HEARD_LOGOUT, HEARD_OTHER };

/* `user`: who is logged in when there is a new cookie of the session; NULL: as before. */
void visitor_hear(struct visitor *visitor, const struct cookie *sent, enum heard heard, const struct cookie *received,
                  const char *user);

/* While the answer to a login is awaited, refusals of the old cookie are no reason to give it up. */
void visitor_set_login(struct visitor *visitor, bool is_login);

/* Nobody is sent to the session any more. */
void visitor_give_up(struct visitor *visitor, const struct cookie *cookie);

#endif
