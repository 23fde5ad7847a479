/*
 * What the session room counts, for metrics: the cookies that came, and what was asked of Redis, when, and with what
 * result. The names are those of the metrics' labels.
 */
#ifndef SESSION_COUNTS_H
#define SESSION_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"
#include "session/token.h"

#define SESSION_ACTIONS(X)                                                                                             \
    X(SESSION_ACTION_LOAD, "load")                                                                                     \
    X(SESSION_ACTION_CREATE, "create")                                                                                 \
    X(SESSION_ACTION_COMMIT, "commit") /* with its repetitions */                                                      \
    X(SESSION_ACTION_DESTROY, "destroy")

#define SESSION_PHASES(X)                                                                                              \
    X(SESSION_PHASE_BEFORE_HEAD, "before_head")                                                                        \
    X(SESSION_PHASE_IN_STREAM, "in_stream")                                                                            \
    X(SESSION_PHASE_AT_END, "at_end") /* of a stream: what the handler left uncommitted */                             \
    X(SESSION_PHASE_AFTER_RESPONSE, "after_response")

#define SESSION_RESULTS(X)                                                                                             \
    X(SESSION_RESULT_OK, "ok")                                                                                         \
    X(SESSION_RESULT_ENDED, "ended")             /* MID_ENDED: there is no such session any more */                    \
    X(SESSION_RESULT_UNAVAILABLE, "unavailable") /* MID_UNAVAILABLE, MID_OVERLOADED */                                 \
    X(SESSION_RESULT_REFUSED, "refused")         /* MID_UNPROCESSABLE: a limit */                                      \
    X(SESSION_RESULT_FAILED, "failed")

#define SESSION_WAYS(X)                                                                                                \
    X(SESSION_WAY_SLOW, "slow") /* Redis has computed it from the record */                                            \
    X(SESSION_WAY_FAST, "fast") /* it was as the worker believed */

/* Why a new session was refused. */
#define SESSION_REFUSALS(X)                                                                                            \
    X(SESSION_REFUSAL_ADDRESS, "address") /* new_limit.h */                                                            \
    X(SESSION_REFUSAL_MEMORY, "memory")   /* memory_watch.h */

/* Why a session was ended by another than who has it. */
#define SESSION_ENDINGS(X)                                                                                             \
    X(SESSION_ENDING_ONE, "one")                                                                                       \
    X(SESSION_ENDING_OTHERS, "others") /* all of the user's but one */                                                 \
    X(SESSION_ENDING_ALL, "all")                                                                                       \
    X(SESSION_ENDING_LIMIT, "limit") /* a login of a user with as many as there may be */                              \
    X(SESSION_ENDING_LATE, "late")   /* an end of all had not found it */

#define SESSION_NAME(name, text) name,
enum session_action { SESSION_ACTIONS(SESSION_NAME) SESSION_ACTION_COUNT };
enum session_phase { SESSION_PHASES(SESSION_NAME) SESSION_PHASE_COUNT };
enum session_way { SESSION_WAYS(SESSION_NAME) SESSION_WAY_COUNT };
enum session_result { SESSION_RESULTS(SESSION_NAME) SESSION_RESULT_COUNT };
enum session_ending { SESSION_ENDINGS(SESSION_NAME) SESSION_ENDING_COUNT };
enum session_refusal { SESSION_REFUSALS(SESSION_NAME) SESSION_REFUSAL_COUNT };
#undef SESSION_NAME

struct session_counts {
    uint64_t cookies[TOKEN_VERDICT_COUNT]; /* cookies sent twice count as malformed */
    uint64_t ways[SESSION_WAY_COUNT];      /* of commits that were stored */
    uint64_t operations[SESSION_ACTION_COUNT][SESSION_PHASE_COUNT][SESSION_RESULT_COUNT];
    uint64_t refusals[SESSION_REFUSAL_COUNT];
    uint64_t endings[SESSION_ENDING_COUNT];
};

struct mid_session;

/* Where the room counts from now on. Before it is called: in memory of its own. */
void session_counts_use(struct session_counts *counts);

void session_count_cookie(enum token_verdict verdict);
void session_count_refusal(enum session_refusal refusal);
void session_count_endings(enum session_ending by, uint64_t count);
const char *session_ending_name(enum session_ending by);

void session_count_way(bool was_fast);

/* In the phase that the session's request is in. */
void session_count(const struct mid_session *session, enum session_action action, enum mid_error error);

#endif
