/*
 * Live sessions: a worker hears at once what happens to the sessions that it has open.
 *
 * DESIGN. One connection a worker (redis/subscriber.h), made when a session's stream or a wait first needs it, hears
 * two kinds of channels:
 *
 *     mid:ended      every session that has ended for the handles it had: a logout, a login of another user, an end by
 *                    somebody else. The message is its key; streams of that session look at the record (streams.h).
 *     mid:s:{rid}    the key itself, while somebody waits for changes of that session. The message is the header after
 *                    a commit; commits publish only what is marked as watched, which a wait does (watch.lua).
 *
 * A message is no more than a reason to look: what counts is the record. Nothing is lost between reading and waiting,
 * because a wait looks after it is subscribed and has marked the record; whatever came before is seen by that look, and
 * whatever comes later is heard. A new connection has missed what nobody knows, so everybody looks again; and streams
 * look at every heartbeat, whatever is heard. docs/adr/0024-live-sessions.md.
 *
 *     live.c    what is heard, and for whom
 *     wait.c    mid_session_wait()
 */
#ifndef LIVE_LIVE_H
#define LIVE_LIVE_H

#include "base/list.h"
#include "session/session.h"

#define LIVE_NOTIFICATIONS(X)                                                                                          \
    X(LIVE_ENDED, "ended")     /* sessions of any worker */                                                            \
    X(LIVE_CHANGED, "changed") /* commits of sessions that are waited for here */

#define LIVE_NAME(name, text) name,
enum live_notification { LIVE_NOTIFICATIONS(LIVE_NAME) LIVE_NOTIFICATION_COUNT };
#undef LIVE_NAME

/* Since the start, for metrics. */
struct live_counts {
    uint64_t heard[LIVE_NOTIFICATION_COUNT];
    uint64_t wakes;    /* waits that ended with a change */
    uint64_t connects; /* connections that became ready */
    uint64_t watchers; /* at this moment: requests that wait for changes, or have */
    uint64_t is_ready; /* at this moment: there is a connection */
};

struct live_settings {
    struct redis_client *redis;
    struct live_counts *counts;
};

/* Once per process, in which there is a loop. */
void live_init(const struct live_settings *settings);

/* Nobody waits any more. */
void live_fini(void);

/* From now on, the ends of sessions are heard. */
void live_begin(void);

/* -------------------- between live.c and wait.c -------------------- */

/* A session whose changes are waited for, until the request is over. */
struct live_watch {
    struct list link; /* in topic->watches */
    struct topic *topic;
    struct mid_session *session;
    int64_t heard_revision; /* the newest that was published */
    int64_t looked_ms;      /* when it was last looked at, on the loop's clock */
    uint32_t share;         /* of the time in which marks are renewed */
    bool must_look;         /* something may have been missed: the record has to be looked at */
};

/* Begins to hear of the session; its key must not change. */
void live_watch_begin(struct live_watch *watch, struct mid_session *session);
void live_watch_end(struct live_watch *watch);

/* Whether it is subscribed: what is published from now on is heard. */
bool live_watch_is_heard(const struct live_watch *watch);

void live_count_wake(void);

/* -------------------- for what else is waited for: durable/ -------------------- */

/* Listens to a channel. `heard` is called on the loop's stack with each message, and with NULL when some may have been
 * missed, as before the channel was subscribed to. */
struct live_listener {
    struct list link; /* in topic->listeners */
    struct topic *topic;
    void *owner;
    void (*heard)(struct live_listener *listener, const char *message, size_t bytes);
};
void live_listen(struct live_listener *listener, const char *channel);
void live_unlisten(struct live_listener *listener);

/* Until *is_behind, or it is time to look again: MID_OK. Until `end_ms` (-1: never), or what else ends a wait of the
 * request: MID_TIMEOUT, and the other errors of wait_for_flag(). Times are the loop's. */
MAY_SUSPEND MID_CHECK enum mid_error live_rest(struct mid_request *rq, const bool *is_behind, int64_t end_ms,
                                               int64_t again_ms);

#endif
