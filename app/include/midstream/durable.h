/*
 * Durable streams: logs that outlive who writes and who reads them.
 */
#ifndef MIDSTREAM_DURABLE_H
#define MIDSTREAM_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mid_request;

/*
 * A log of bytes in Redis, which is appended to, read from an offset, and closed. Offsets count bytes from its
 * beginning, and what is at one never changes. What one call appends is one entry: readers get whole entries, in order.
 *
 *     struct mid_durable *answer;
 *     MID_TRY(mid_durable_create(rq, "answer", NULL, &answer));
 *     while (next_words(&words, &bytes))
 *         MID_TRY(mid_durable_append(answer, words, bytes));
 *     return mid_durable_close(answer);
 *
 * A stream ends with its lifetime, not with a request, a task or a session. This is a request's handle of one, and
 * lives as long as the request; the same name in the same request is the same handle.
 */
struct mid_durable;

/* Whose a stream is. Each owner has names of its own. */
enum mid_durable_owner {
    MID_OWNER_SESSION, /* the visitor's session; in a task, that of the request that added it */
    MID_OWNER_USER,
    MID_OWNER_PUBLIC, /* nobody's: the application decides who may use it */
};

struct mid_durable_options {
    enum mid_durable_owner owner;
    const char *user; /* of MID_OWNER_USER; NULL: who is logged in. Another than that is the application's choice. */
    const char *content_type; /* 1 to 128 bytes; NULL: "text/plain; charset=utf-8" */
    int64_t lifetime_ms;      /* since the last use; 0: the setting durable-lifetime-ms. Ten years at most. */
    int64_t until_ms;         /* Unix time at which it ends, in place of a lifetime; 0: none */
    int64_t bytes_max;        /* 0, and at most: the setting durable-max-bytes */
    bool trims;               /* above bytes_max the oldest entries go; otherwise appends are refused */
    const char *producer;     /* at most 128 bytes; see below. NULL: in a task its id, otherwise none; "": none */
};

/*
 * Creates a stream, or finds the one that there is, if it was created with the same content type, lifetime and end.
 * `name` has 1 to 1024 bytes; `options` may be NULL. May suspend. A session's stream makes a session for a visitor
 * without one. What this handle has appended and got no answer about is settled first. MID_CONFLICT: there is one that
 * was created otherwise. MID_UNAVAILABLE: it is unknown whether it was created; call again. MID_UNPROCESSABLE: an
 * invalid option or name. MID_ENDED, MID_HEAD_SENT: there is no session, or none can be made any more.
 * MID_UNAUTHORIZED: nobody is logged in. MID_OVERLOADED: also, Redis is nearly full (session-memory-percent), and there
 * is no such stream. MID_LOST_LEASE; and errors of an append that is settled.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_create(struct mid_request *rq, const char *name,
                                                       const struct mid_durable_options *options,
                                                       struct mid_durable **stream);

/* Finds a stream; of the options only owner, user and producer matter. Never creates a session. May suspend.
 * MID_NOT_FOUND: there is none, or no session. Other errors as above. */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_find(struct mid_request *rq, const char *name,
                                                     const struct mid_durable_options *options,
                                                     struct mid_durable **stream);

/* As of the last call for this stream: the offset of its end, the offset of the first byte that is kept, whether it is
 * closed, its content type. These never fail. */
MID_PUBLIC int64_t mid_durable_tail(const struct mid_durable *stream);
MID_PUBLIC int64_t mid_durable_start(const struct mid_durable *stream);
MID_PUBLIC bool mid_durable_is_closed(const struct mid_durable *stream);
MID_PUBLIC const char *mid_durable_content_type(const struct mid_durable *stream);

/*
 * Producers. With a producer, each append is stored once, whatever becomes of replies: the handle numbers its appends.
 * Whoever creates or finds the stream as the same producer takes over: appends of the former one that are still on
 * their way are not stored, and it gets MID_LOST_LEASE. So a task that is repeated after a crash continues exactly
 * where mid_durable_tail() says. A stream has 256 producers at most; a task that only reads it is none with the
 * producer "". Without a producer, and after MID_UNAVAILABLE, an append may have been stored.
 */

/*
 * Appends 1 byte or more, as one entry; its end is mid_durable_tail(). May suspend. MID_OK: stored. MID_CLOSED.
 * MID_NOT_FOUND: the stream has gone. MID_UNPROCESSABLE: it would have more than bytes_max, or the entry is empty or
 * has more than 1 MiB. MID_ENDED: its session has ended for this handle. MID_LOST_LEASE: another one has taken over the
 * producer or the task. MID_CONFLICT: Redis has lost earlier appends of the producer. MID_UNAVAILABLE: no reply by the
 * deadline. With a producer, the entry is kept then: the same call again, if it is the next one, is this one, and
 * another one sends it first. MID_OVERLOADED: too many wait already, and this one does not. In a stream of
 * application/json an entry is one JSON text.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_append(struct mid_durable *stream, const void *data, size_t bytes);

/* The same with the name of an event (1 to 64 bytes, without line breaks), which is kept with the entry. May suspend.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_append_event(struct mid_durable *stream, const char *event,
                                                             const char *data);

/* Ends the stream: nothing can be appended any more, and readers are told when they have read everything. Closing a
 * closed stream is MID_OK. Otherwise as an append; may suspend. */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_close(struct mid_durable *stream);

struct mid_durable_entry {
    const void *data;
    size_t bytes;      /* 0: there is no entry, only `closes` */
    const char *event; /* NULL: none */
    bool closes;       /* the stream ends with it */
};

/*
 * For a stream of a session: appends an entry, closes the stream, or both, and commits what is recorded in the session,
 * in one atomic step: both are stored or neither, once, with or without a producer. May suspend. Errors of
 * mid_session_commit() and mid_durable_append(). After MID_UNAVAILABLE both are kept together and settled by the next
 * commit; the same call again, with nothing recorded since, is that commit. What is appended to streams of this session
 * before that is kept behind it. MID_UNPROCESSABLE as well: the stream is not a session's, or the entry has more than
 * 512 KiB.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_commit(struct mid_durable *stream,
                                                       const struct mid_durable_entry *entry);

struct mid_durable_piece {
    const void *data; /* whole entries, one behind the other; of application/json an array of them; NUL-terminated,
                         lives as long as the request, or until mid_release() */
    size_t bytes;
    int64_t next;   /* the offset behind it */
    bool is_at_end; /* there was nothing behind it */
};

/* Reads from an offset: entries until there are `bytes_least` (1 to 1 MiB), and at most 512. At the end there are none.
 * May suspend. MID_NOT_FOUND: the stream has gone, or what was at the offset was trimmed, or no entry begins there.
 * MID_ENDED, MID_UNAVAILABLE, MID_OVERLOADED. */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_read(struct mid_durable *stream, int64_t offset, size_t bytes_least,
                                                     struct mid_durable_piece *piece);

/*
 * Waits until the stream has more than what is before the offset, or is closed: mid_durable_read() has something to
 * give then, or it is the end (mid_durable_is_closed()). Others' appends are heard within milliseconds; if Redis's
 * notification was lost, within 15 s. `timeout_ms` < 0: no limit; while Redis does not answer it may take two of
 * Redis's timeouts longer. May suspend. MID_TIMEOUT. MID_NOT_FOUND: the stream has gone, or Redis has lost what was
 * before the offset. MID_ENDED: its session has. MID_GONE, MID_DRAINING, MID_CANCELLED and the like, as mid_sleep_ms().
 * While Redis is unavailable the wait goes on.
 */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_wait(struct mid_durable *stream, int64_t offset, int64_t timeout_ms);

/* Deletes the stream; readers are told that it has gone. One that was created under its name since is not touched. May
 * suspend. MID_OK also if it had gone. MID_ENDED, MID_UNAVAILABLE, MID_OVERLOADED. */
MID_PUBLIC MID_CHECK enum mid_error mid_durable_delete(struct mid_durable *stream);

#ifdef __cplusplus
}
#endif

#endif
