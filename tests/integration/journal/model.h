/*
 * What a durable stream ought to be, kept in memory and written from the protocol's text (Durable Streams, 5.1 to 5.6),
 * not from the scripts.
 */
#ifndef INTEGRATION_JOURNAL_MODEL_H
#define INTEGRATION_JOURNAL_MODEL_H

#include "base/buffer.h"
#include "journal/journal.h"

enum { MODEL_ENTRIES_MAX = 4096, MODEL_PRODUCERS = 3, MODEL_READ_MAX = 512 };

struct model_producer {
    bool is_known;
    int64_t epoch;
    int64_t number;
};

struct model {
    bool is_there;
    bool is_closed;
    bool trims;
    const char *type;
    int64_t ttl_ms;
    int64_t until_ms;
    char incarnation[JOURNAL_INCARNATION_BYTES]; /* as Redis has told it */
    int64_t bytes_max;
    struct buffer data; /* all that was ever appended */
    int64_t ends[MODEL_ENTRIES_MAX];
    const char *events[MODEL_ENTRIES_MAX];
    size_t entries;
    size_t first; /* of those that are kept */
    char order[16];
    struct model_producer producers[MODEL_PRODUCERS];
    bool was_closed_by_producer;
    int closer;
    struct model_producer closed_at; /* what the closer had then */
};

/* The producer of that number: its name. */
const char *model_producer_name(int number);

int64_t model_tail(const struct model *model);
int64_t model_start(const struct model *model);

/* Does it, and returns the verdict. `producer` is its number, or -1. */
enum journal_verdict model_create(struct model *model, const struct journal_creation *creation);
enum journal_verdict model_append(struct model *model, const struct journal_append *append, int producer);
enum journal_verdict model_claim(struct model *model, const struct journal_claim *claim, int producer);
enum journal_verdict model_delete(struct model *model);

/* The entry that begins at or spans the offset; model->entries when there is none. */
size_t model_entry_at(const struct model *model, int64_t offset);

#endif
