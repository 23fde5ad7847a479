/*
 * What a run has shown: a table for people, JSON for scripts/bench.
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdint.h>

#include "lateness.h"
#include "load.h"

struct report {
    struct load *load; /* whose samples are sorted */
    unsigned by_state[STREAM_STATES];
    uint64_t events;      /* numbered ones, of all streams */
    uint64_t lost;        /* asked for, and not received by a stream that was not held */
    uint64_t misnumbered; /* ids that were not consecutive */
    struct lateness lateness;
    struct samples first_event; /* connect() to first event */
};

/* Counts up a finished run; `load` has to outlive the report. */
void report_init(struct report *report, struct load *load);

void report_print(struct report *report);
/* False when the file cannot be written. */
MID_CHECK bool report_write_json(struct report *report, const char *path);

void report_fini(struct report *report);

#endif
