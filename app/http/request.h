/*
 * One HTTP request, from its first parameter to its last after-response function.
 *
 * It lives on the stack of the fiber that serves it. The functions of midstream.h that read a request are implemented
 * in request.c and body.c, those that answer it in response.c.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "fcgi/request.h"
#include "http/router.h"
#include "midstream.h"

enum response_phase {
    RESPONSE_NONE,      /* nothing yet */
    RESPONSE_PREPARED,  /* whole, and sent when the handler has returned */
    RESPONSE_STREAMING, /* the head is out */
    RESPONSE_OVER,      /* END_REQUEST is out, or the connection was cut */
};

struct response_field {
    const char *name;
    const char *value;
    struct response_field *next;
};

struct response {
    enum response_phase phase;
    int status;
    const char *content_type; /* NULL: no content */
    const void *body;
    size_t body_bytes;
    struct response_field *fields; /* in the order of the head */
    int64_t begun_us;              /* clock_monotonic_us() when the head went out; 0: not yet */
    bool is_cut;
    bool varies_by_origin; /* whatever the handler says in Vary */
};

/* What a room above http wants to do at the turning points of a response; the session sets them when it is opened. */
struct request_hooks {
    MAY_SUSPEND enum mid_error (*before_head)(struct mid_request *rq, bool is_stream);
    void (*before_error)(struct mid_request *rq);                     /* the response says why there is no other */
    MAY_SUSPEND enum mid_error (*before_end)(struct mid_request *rq); /* of a stream that went well */
    /* While a stream waits, once every heartbeat: MID_ENDED when there is no reason to go on. */
    MAY_SUSPEND enum mid_error (*still_wanted)(struct mid_request *rq);
    int64_t (*look_at_ms)(const struct mid_request *rq); /* when to ask even sooner, on the loop's clock; -1: no need */
};

struct after_function {
    mid_after *fn;
    void *arg;
    struct after_function *next;
};

/* How long a request may wait, and what else it minds meanwhile (wait/wait.h). */
struct wait_policy {
    int64_t deadline_ms;         /* the loop's time, of waiting before the head or after the response; -1: none */
    enum mid_error interruption; /* what calls that wait return from now on; MID_OK: nothing. Of tasks. */
    bool outlives_client;        /* the handler carries on when the client leaves */
    bool is_alarmed;             /* request_alarm(), and it has not looked since */
    struct fiber *fiber;         /* that waits for it now; NULL: none does */
    uint32_t drain_share;        /* wait/drain.c's: where in the time of telling is its turn; 0: not asked */
    /*
     * What has to be done for the request meanwhile, or NULL: of streams. Tells in *next_ms when to call it again, -1:
     * never. Unless `may_end`, waiting goes on whatever is found; otherwise it ends with the error.
     */
    MAY_SUSPEND enum mid_error (*attend)(struct mid_request *rq, bool may_end, int64_t *next_ms);
};

struct deferred {
    void (*fn)(void *arg);
    void *arg;
    struct deferred *next;
};

enum { CONTENT_LENGTH_INVALID = -2 };

struct mid_request {
    struct fcgi_request fcgi;
    struct connection *client; /* who awaits the response; NULL: nobody, it is over, or this is a task */
    struct wait_policy wait;
    struct arena arena;
    struct arena handler_arena; /* what the handler asked for, until mid_release() */
    char **params;              /* "NAME=value"; libfcgi's until its buffers are released, the arena's afterwards */

    /* Read out of the parameters; never NULL but for content_type and query. */
    const char *method;
    const char *target; /* path and query, as the client wrote them */
    const char *query;
    const char *content_type;
    const char *id;
    const char *trace_parent;  /* as it came, or NULL */
    const char *last_event_id; /* of an event client that comes back, or NULL */
    int64_t content_length;    /* -1: not told; or CONTENT_LENGTH_INVALID */

    struct route_match match;
    const char *path;        /* decoded; NULL until asked for */
    const char *form;        /* the body of a form; NULL until asked for */
    struct multipart *parts; /* of a form with files; NULL until asked for */
    uint64_t body_max_bytes;
    uint64_t body_bytes; /* read so far */
    bool body_is_over;
    enum mid_error body_error; /* MID_OK: none so far */
    bool is_head;

    struct response response;
    const char *error_detail; /* of mid_fail(), or NULL */
    int retry_after_s;        /* that a 429 or 503 says; 0: a second. mid_fail() clears it. */
    struct request_hooks hooks;
    struct mid_session *session; /* the session room's; NULL while not opened */
    /* The task room's: whose session mid_session_open() gives; NULL: the cookie's. */
    MAY_SUSPEND enum mid_error (*open_session)(struct mid_request *rq, struct mid_session **session);
    enum mid_durability durability; /* of what it stores from now on */
    bool is_superseded;    /* its session ended for it because somebody has logged in: the client is to come back */
    struct stream *stream; /* the stream room's; NULL while none has begun */
    struct mid_durable *durable; /* the durable room's: the request's handles */
    const char *producer;        /* the task room's: as whom it appends to durable streams; NULL: as nobody */
    int64_t producer_epoch;
    bool is_origin_missing; /* unsafe, and nothing says which site it comes from; see origin.h */
    bool allows_missing_origin;
    bool is_from_elsewhere; /* another site has caused it, and its route allows that: it has no session */

    struct deferred *deferred; /* the last one first */
    struct after_function *after_first;
    struct after_function **after_end; /* NULL: it has no response */
};

struct request_settings {
    uint64_t body_max_bytes;        /* unless the route or the handler says another limit */
    bool cookie_is_secure;          /* of cookies that the application sets */
    void *context;                  /* the application's */
    enum mid_durability durability; /* unless the handler says another */
};

/* A number that a client may have sent among the values of a query, with what it is called in an error. */
struct int_input {
    const char *kind;
    const char *name;
    const char *query;
    int64_t min;
    int64_t max;
    int64_t fallback;
};
MID_CHECK enum mid_error request_parse_int(struct mid_request *rq, const struct int_input *input, int64_t *value);

/* Once per process. */
void request_init(const struct request_settings *settings);
const struct request_settings *request_settings(void);

/* Reads the connection's next request. May suspend. False: there is none; nothing to finish. */
MAY_SUSPEND bool request_accept(struct mid_request *rq, struct connection *connection);

/* A request without a client, for work that is none: memory, log and waiting work as after a response. `id` stays the
 * caller's. request_finish() ends it. */
void request_init_detached(struct mid_request *rq, const char *id);

/* Calls what was deferred, and gives everything back. The response has to be over. */
void request_finish(struct mid_request *rq);

/* The client has left, or the connection broke. False where there is none (any more). */
bool request_is_gone(const struct mid_request *rq);

/* There is a client, and the response's head is not out: fields can be added, and who gets an error can ask again. */
bool request_awaits_head(const struct mid_request *rq);

/* As mid_header(), but gone when libfcgi's buffers are released. */
const char *request_field(const struct mid_request *rq, const char *name);

/* The k-th line (from 0) of a field, named as a parameter ("HTTP_COOKIE"), or NULL: nginx may send several. */
const char *request_param_line(const struct mid_request *rq, const char *param_name, int k);

/* Reads the body to its end and drops it, as far as that is reasonable; where it is not, the connection ends with the
 * response. May suspend. */
MAY_SUSPEND void request_discard_body(struct mid_request *rq);

/* How durable what it stores has to be. */
enum mid_durability request_durability(const struct mid_request *rq);

/* mid_log() for the runtime's own lines, which any client can cause: limited as log_client_event(). */
void request_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
    MID_FORMAT(4, 5);

/* There may be no reason for its stream to go on: it asks still_wanted() at once, and whoever waits for it is woken. */
void request_alarm(struct mid_request *rq);

/* Copies what later calls may still ask for and gives libfcgi's buffers back: the request is about to become a stream.
 */
void request_release_buffers(struct mid_request *rq);

#endif
