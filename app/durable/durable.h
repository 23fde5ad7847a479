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
 * durable.lua and the scripts beside it; docs/adr/0027-durable-streams.md.
 */
#ifndef DURABLE_DURABLE_H
#define DURABLE_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "midstream.h"
#include "redis/client.h"

enum {
    DURABLE_TAG_BYTES = 33, /* 32 hexadecimal digits and a NUL */
    DURABLE_KEY_BYTES = sizeof("mid:d:{}:") + 2 * (DURABLE_TAG_BYTES - 1),
    DURABLE_TYPE_BYTES = 129, /* of a content type, with its NUL */
    DURABLE_INCARNATION_BYTES = 17,

    /* Longer texts are refused. */
    DURABLE_NAME_MAX = 1024,
    DURABLE_OWNER_MAX = 128,
    DURABLE_PRODUCER_MAX = 128,
    DURABLE_ORDER_MAX = 128,
    DURABLE_EVENT_MAX = 64,
};

/* Redis ids and Lua's numbers are exact up to here. */
#define DURABLE_OFFSET_MAX ((INT64_C(1) << 53) - 1)

struct durable_settings {
    struct redis_client *redis;
    int64_t lifetime_ms; /* since the last use, of a stream of which nothing else was asked */
};

/* Registers the scripts with the client: before the first turn of the loop. */
void durable_init(const struct durable_settings *settings);

/* The key of a stream: of the session with that rid, or, where `rid` is NULL, of the owner ("" is everybody). */
void durable_key(char key[static DURABLE_KEY_BYTES], const char *rid, const char *owner, const void *name,
                 size_t name_bytes);

/* What a script found. The numbers are those of durable.lua. */
enum durable_verdict {
    DURABLE_OK = 1,
    DURABLE_EXISTS,    /* created before, as it would be now */
    DURABLE_MISSING,   /* there is none */
    DURABLE_CONFLICT,  /* created before, and otherwise */
    DURABLE_CLOSED,    /* nothing is appended any more */
    DURABLE_TYPE,      /* another content type */
    DURABLE_ORDER,     /* the Stream-Seq is not above the last one */
    DURABLE_DUPLICATE, /* it is stored already */
    DURABLE_STALE,     /* the producer has a newer epoch */
    DURABLE_GAP,       /* the producer's append before this one is not there */
    DURABLE_NEW_EPOCH, /* an epoch begins with number 0 */
    DURABLE_FULL,      /* the stream has as many bytes as it may have */
    DURABLE_CROWDED,   /* it has as many producers as it may have */
    DURABLE_TRIMMED,   /* what is at the offset has gone */
    DURABLE_LOST,      /* there is nothing at the offset: Redis has lost it, or it was never given */
    DURABLE_VERDICTS,
};

/* A stream as a script has found it. With MISSING there is nothing but that. */
struct durable_state {
    enum durable_verdict verdict;
    int64_t tail;  /* the offset of its end */
    int64_t start; /* of the beginning of what is kept */
    bool is_closed;
    char incarnation[DURABLE_INCARNATION_BYTES]; /* of this stream, and not of one that had its name before */

    /* Of an append by a producer: what it has stored last; before its first append, number -1. */
    int64_t epoch;
    int64_t number;

    /* Of a read. */
    char type[DURABLE_TYPE_BYTES];
    int64_t ttl_ms;   /* as it was created with; -1: nothing was asked for */
    int64_t until_ms; /* the same */
    int64_t begin;    /* where reading began */
    int64_t end;      /* behind the last entry that was read */
};

/* How a call waits, and what is enough for it: as struct redis_call. */
struct durable_terms {
    int64_t patience_ms;
    enum mid_durability durability;
};

struct durable_creation {
    const char *name;        /* for lists; NULL: none */
    const char *owner;       /* the same */
    const char *type;        /* shorter than DURABLE_TYPE_BYTES */
    int64_t ttl_ms;          /* since the last use, ten years at most; -1: as usual */
    int64_t until_ms;        /* a time, in ten years at most; -1: none. Not both. What is over is created and gone. */
    const char *incarnation; /* NULL: a new one. With the same, a repeated creation knows its own. */
    int64_t bytes_max;       /* of what is kept */
    bool trims;              /* the oldest entries go for new ones */
    bool is_closed;
    const void *data; /* the first entry */
    size_t bytes;     /* 0: there is none */
};

/* An entry, the end of the stream, or both. Numbers are at most DURABLE_OFFSET_MAX. */
struct durable_append {
    const void *data;
    size_t bytes;         /* 0: there is none */
    const char *event;    /* the name of the event that it is; NULL: none */
    const char *type;     /* has to be the stream's; NULL: it is known to be */
    const char *order;    /* Stream-Seq; NULL: none */
    const char *producer; /* not ""; NULL: none */
    int64_t epoch;        /* from 0, like the number */
    int64_t number;
    bool closes;
    const char *incarnation; /* of the stream that is meant; NULL: any */
};

/* Lives during the call. Each begins where the one before it ends, and the first where reading began. */
struct durable_entry {
    int64_t end; /* its offset */
    const char *data;
    size_t bytes;
    const char *event; /* "": none */
};

#define DURABLE_FROM_START ((int64_t)-1)
#define DURABLE_FROM_NOW   ((int64_t)-2)

struct durable_reading {
    int64_t from;            /* an offset, DURABLE_FROM_START or DURABLE_FROM_NOW */
    size_t bytes_least;      /* entries are read until they have so many, or are 512; 0: none, only the state is */
    const char *incarnation; /* of the stream that is meant; NULL: any */
    void (*on_entry)(const struct durable_entry *entry, void *arg); /* on the loop's stack: may not suspend */
    void *arg;
};

/*
 * All may suspend, and return MID_OK with a state whose verdict is any, MID_UNAVAILABLE, MID_OVERLOADED or MID_FAILED
 * (what is in Redis is no stream; or a text is too long, or a number outside of its bounds, and nothing was sent).
 * After MID_UNAVAILABLE the step may have been carried out. To repeat it then:
 *
 *     create             EXISTS says that it was; with an incarnation of one's own, that it was this one
 *     append, close      of a producer: DUPLICATE; or CLOSED, if somebody else has closed the stream meanwhile, and
 * then state.epoch and state.number say whether it is stored append, alone      with an `order`: ORDER. With neither,
 * it may be stored twice close, alone       DUPLICATE delete             MISSING; with the incarnation, no stream that
 * was created meanwhile goes
 */
MAY_SUSPEND MID_CHECK enum mid_error durable_create(const char *key, const struct durable_creation *creation,
                                                    const struct durable_terms *terms, struct durable_state *state);
MAY_SUSPEND MID_CHECK enum mid_error durable_append(const char *key, const struct durable_append *append,
                                                    const struct durable_terms *terms, struct durable_state *state);
MAY_SUSPEND MID_CHECK enum mid_error durable_read(const char *key, const struct durable_reading *reading,
                                                  const struct durable_terms *terms, struct durable_state *state);
MAY_SUSPEND MID_CHECK enum mid_error durable_delete(const char *key, const char *incarnation,
                                                    const struct durable_terms *terms, struct durable_state *state);

/* Reading writes nothing, so that it goes on where Redis takes no writes; that the stream is used is said by this. What
 * goes wrong does not matter. */
MAY_SUSPEND void durable_touch(const char *key, int64_t patience_ms);

#endif
