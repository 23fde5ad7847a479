/*
 * A run of the load client: streams opened at a bounded rate, read by one epoll loop until all are over.
 *
 * The loop does nothing but read and note times. Only looking at memory holds it up, while all streams are open.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "acts.h"
#include "cookies.h"
#include "memory.h"
#include "options.h"
#include "stream.h"

struct load {
    const struct options *options;
    const struct cookies *cookies;
    struct stream *streams; /* heap, options->streams of them */
    struct acts acts;
    int epoll_fd;
    unsigned opened;
    unsigned over;
    unsigned now_open; /* with at least one event, and not over */
    unsigned most_open;
    int64_t started_at_us;
    int64_t all_open_at_us; /* when the last stream had its first event or failed; 0: not yet */
    int64_t ended_at_us;
    bool has_memory;
    struct memory memory_before; /* before the first stream */
    struct memory memory_open;   /* while all are open */
    unsigned memory_streams;     /* how many were open then */
};

void load_init(struct load *load, const struct options *options, const struct cookies *cookies);

/* Blocks until every stream is over. A stream that stays silent long after its schedule counts as TRUNCATED. */
void load_run(struct load *load);

void load_fini(struct load *load);

#endif
