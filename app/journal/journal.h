/*
 * Durable streams in Redis: logs of bytes that outlive who writes and who reads them.
 *
 * DESIGN. A stream is two keys in one slot: `mid:d:{TAG}:NAME`, a hash, which is its state, and `...:log`, a stream of
 * Redis, which has its entries. TAG is the rid of the session that the stream belongs to, so that one script can change
 * both, or else a hash of the stream's owner and name; NAME is a hash of the name, which may be any bytes. What is
 * appended at once is one entry, and the id of an entry is the offset of its end, in bytes from the beginning of the
 * stream: so an offset is found by its number, readers need nothing remembered for them, and what has been read never
 * changes. Every key has a lifetime.
 *
 * A producer numbers what it appends, from 0 in each of its epochs; what it sends again is stored once, and whoever has
 * an older epoch is out. The numbers are the Durable Streams protocol's (5.2.1), and so are the verdicts.
 *
 * journal.lua and the scripts beside it; docs/adr/0027-durable-streams.md.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/number.h"
#include "midstream.h"
#include "redis/client.h"

enum {
    JOURNAL_TAG_BYTES = 33, /* 32 hexadecimal digits and a NUL */
    JOURNAL_KEY_BYTES = sizeof("mid:d:{}:") + 2 * (JOURNAL_TAG_BYTES - 1),
    JOURNAL_TYPE_BYTES = 129, /* of a content type, with its NUL */
    JOURNAL_INCARNATION_BYTES = 17,

    /* Longer texts are refused. */
    JOURNAL_NAME_MAX = 1024,
    JOURNAL_OWNER_MAX = 128,
    JOURNAL_PRODUCER_MAX = 128,
    JOURNAL_ORDER_MAX = 128,
    JOURNAL_EVENT_MAX = 64,
};

/* Redis ids and Lua's numbers are exact up to here. */
#define JOURNAL_OFFSET_MAX ((INT64_C(1) << 53) - 1)

struct journal_settings {
    struct redis_client *redis;
    int64_t lifetime_ms; /* since the last use, of a stream of which nothing else was asked */
    const char *guard;   /* stands in front of the scripts, as session/guard.lua; NULL: nothing does */
};

/* Registers the scripts with the client: before the first turn of the loop. */
void journal_init(const struct journal_settings *settings);

/* One that nothing has had. */
void journal_new_incarnation(char incarnation[static JOURNAL_INCARNATION_BYTES]);

/* The key of a stream: of the session with that rid, or, where `rid` is NULL, of the owner ("" is everybody). */
void journal_key(char key[static JOURNAL_KEY_BYTES], const char *rid, const char *owner, const void *name,
                 size_t name_bytes);

/* What a script found. The numbers are those of journal.lua. */
enum journal_verdict {
    JOURNAL_OK = 1,
    JOURNAL_EXISTS,    /* created before, as it would be now */
    JOURNAL_MISSING,   /* there is none */
    JOURNAL_CONFLICT,  /* created before, and otherwise */
    JOURNAL_CLOSED,    /* nothing is appended any more */
    JOURNAL_TYPE,      /* another content type */
    JOURNAL_ORDER,     /* the Stream-Seq is not above the last one */
    JOURNAL_DUPLICATE, /* it is stored already */
    JOURNAL_STALE,     /* the producer has a newer epoch */
    JOURNAL_GAP,       /* the producer's append before this one is not there */
    JOURNAL_NEW_EPOCH, /* an epoch begins with number 0 */
    JOURNAL_FULL,      /* the stream has as many bytes as it may have */
    JOURNAL_CROWDED,   /* it has as many producers as it may have */
    JOURNAL_TRIMMED,   /* what is at the offset has gone */
    JOURNAL_LOST,      /* there is nothing at the offset: Redis has lost it, or it was never given */
    JOURNAL_REFUSED,   /* by the guard: state.refusal says why */
    JOURNAL_VERDICTS,
};

/* A stream as a script has found it. With MISSING there is nothing but that. */
struct journal_state {
    enum journal_verdict verdict;
    int64_t tail;  /* the offset of its end */
    int64_t start; /* of the beginning of what is kept */
    bool is_closed;
    char incarnation[JOURNAL_INCARNATION_BYTES]; /* of this stream, and not of one that had its name before */
    char type[JOURNAL_TYPE_BYTES];
    int refusal;      /* with JOURNAL_REFUSED, and nothing else */
    bool is_in_doubt; /* there was no answer, and it may have been carried out: nothing else is written then */

    /* Of an append or a claim: what the producer has stored last; before its first append, number -1. */
    int64_t epoch;
    int64_t number;

    /* Of a read. */
    int64_t ttl_ms;   /* as it was created with; -1: nothing was asked for */
    int64_t until_ms; /* the same */
    int64_t begin;    /* where reading began */
    int64_t end;      /* behind the last entry that was read */
};

/* How a call waits, and what is enough for it: as struct redis_call. */
struct journal_terms {
    int64_t patience_ms;
    enum mid_durability durability;
    const char *guard; /* what the guard is told, which is in front of the scripts; NULL: "" */
};

struct journal_creation {
    const char *name;        /* for lists; NULL: none */
    const char *owner;       /* the same */
    const char *type;        /* shorter than JOURNAL_TYPE_BYTES */
    int64_t ttl_ms;          /* since the last use, ten years at most; -1: as usual */
    int64_t until_ms;        /* a time, in ten years at most; -1: none. Not both. What is over is created and gone. */
    const char *incarnation; /* by which a repeated creation knows its own; NULL: a new one */
    int64_t bytes_max;       /* of what is kept */
    bool trims;              /* the oldest entries go for new ones */
    bool is_closed;
    bool may_be_closed; /* one that was created so and has been closed since is as good */
    const void *data;   /* the first entry */
    size_t bytes;       /* 0: there is none */
};

#define JOURNAL_UNNUMBERED ((int64_t)-1)

/* An entry, the end of the stream, or both. Numbers are at most JOURNAL_OFFSET_MAX. */
struct journal_append {
    const void *data;
    size_t bytes;         /* 0: there is none */
    const char *event;    /* the name of the event that it is; NULL: none */
    const char *type;     /* has to be the stream's; NULL: it is known to be */
    const char *order;    /* Stream-Seq; NULL: none */
    const char *producer; /* not ""; NULL: none */
    int64_t epoch;        /* from 0, like the number */
    int64_t number; /* or JOURNAL_UNNUMBERED: it is not stored if the producer has a newer epoch, and that is all */
    bool closes;
    const char *incarnation; /* of the stream that is meant; NULL: any */
};

/* A producer takes over. What it has sent in an older epoch is not stored any more, and neither is what it has sent in
 * this one, up to the number, even if it is still on its way. */
struct journal_claim {
    const char *producer; /* not "" */
    int64_t epoch;
    int64_t number;          /* -1: nothing was sent in this epoch */
    const char *incarnation; /* of the stream that is meant; NULL: any */
};

/* Lives during the call. Each begins where the one before it ends, and the first where reading began. */
struct journal_entry {
    int64_t end; /* its offset */
    const char *data;
    size_t bytes;
    const char *event; /* "": none */
};

#define JOURNAL_FROM_START ((int64_t)-1)
#define JOURNAL_FROM_NOW   ((int64_t)-2)

struct journal_reading {
    int64_t from;            /* an offset, JOURNAL_FROM_START or JOURNAL_FROM_NOW */
    size_t bytes_least;      /* entries are read until they have so many, or are 512; 0: none, only the state is */
    const char *incarnation; /* of the stream that is meant; NULL: any */
    void (*on_entry)(const struct journal_entry *entry, void *arg); /* on the loop's stack: may not suspend */
    void *arg;
};

/*
 * All may suspend, and return MID_OK with a state whose verdict is any, MID_UNAVAILABLE, MID_OVERLOADED or MID_FAILED
 * (what is in Redis is no stream; or a text is too long, or a number outside of its bounds, and nothing was sent).
 * After MID_UNAVAILABLE the step may have been carried out, if state.is_in_doubt. To repeat it then:
 *
 *     create            EXISTS says that it was; with an incarnation of one's own, that it was this one
 *     append by a       DUPLICATE says that it was; or CLOSED, if somebody else has closed the stream meanwhile, and
 *       producer        then state.epoch and state.number say whether it is stored
 *     append alone      with an `order`, ORDER; with neither, it may be stored twice
 *     close, claim      as often as it takes
 *     delete            MISSING; with the incarnation, no stream that was created meanwhile goes
 */
MAY_SUSPEND MID_CHECK enum mid_error journal_create(const char *key, const struct journal_creation *creation,
                                                    const struct journal_terms *terms, struct journal_state *state);
MAY_SUSPEND MID_CHECK enum mid_error journal_append(const char *key, const struct journal_append *append,
                                                    const struct journal_terms *terms, struct journal_state *state);
MAY_SUSPEND MID_CHECK enum mid_error journal_claim(const char *key, const struct journal_claim *claim,
                                                   const struct journal_terms *terms, struct journal_state *state);
MAY_SUSPEND MID_CHECK enum mid_error journal_read(const char *key, const struct journal_reading *reading,
                                                  const struct journal_terms *terms, struct journal_state *state);
MAY_SUSPEND MID_CHECK enum mid_error journal_delete(const char *key, const char *incarnation,
                                                    const struct journal_terms *terms, struct journal_state *state);

/* From now on, for some minutes, what is appended is published on the channel of the key: the incarnation, the tail,
 * and '1' when it is closed, with spaces between; and anything else when it was deleted. Tells how it is. */
MAY_SUSPEND MID_CHECK enum mid_error journal_watch(const char *key, const char *incarnation,
                                                   const struct journal_terms *terms, struct journal_state *state);

/* Reading writes nothing, so that it goes on where Redis takes no writes; that the stream is used is said by this. What
 * goes wrong does not matter. */
MAY_SUSPEND void journal_touch(const char *key, const struct journal_terms *terms);

/* Waits until Redis can be asked, or the time has passed: false. */
MAY_SUSPEND bool journal_wait_ready(const char *key, int64_t ms);

/* What a verdict is for a handler, and why: "" for MID_OK. DUPLICATE and EXISTS are MID_OK; of REFUSED the guard's
 * owner knows. */
enum mid_error journal_error(enum journal_verdict verdict, const char **sentence);

/* -------------------- for a script that appends besides -------------------- */

/* Of a session's commit (session/): that a script begins with these texts gives it `append`, in append.lua, whose words
 * behind the stream are these arguments. `numbers` holds some of them. MID_FAILED as journal_append(). */
enum { JOURNAL_APPEND_ARGUMENTS = 9, JOURNAL_APPEND_PARTS = 2 };
extern const char *const journal_append_parts[JOURNAL_APPEND_PARTS];
struct redis_argument;
struct journal_numbers {
    char epoch[NUMBER_TEXT_BYTES];
    char number[NUMBER_TEXT_BYTES];
};
MID_CHECK enum mid_error journal_append_arguments(const struct journal_append *append, struct journal_numbers *numbers,
                                                  struct redis_argument arguments[static JOURNAL_APPEND_ARGUMENTS]);

/* Takes the answer of `append`. False: it is none. */
struct redisReply;
bool journal_take_answer(const struct redisReply *reply, struct journal_state *state);

#endif
