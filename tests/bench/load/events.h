/*
 * Server-sent events (WHATWG HTML, 9.2.6), parsed as they come in. Comments are skipped.
 *
 * The load client wants to know that an event came, not what it says: the data are not kept.
 */
#ifndef LOAD_EVENTS_H
#define LOAD_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVENTS_LINE_MAX = 64, EVENTS_NAME_MAX = 32 }; /* what is kept of a line, and of an event's name */

struct event {
    char name[EVENTS_NAME_MAX]; /* empty: "message" */
    bool has_id;
    int64_t id; /* the decimal number that the id is, or -1 */
};

typedef void event_fn(const struct event *event, void *arg);

struct events {
    struct event event; /* the one being read */
    bool has_data;
    bool after_cr;
    size_t line_length;
    char line[EVENTS_LINE_MAX];
};

void events_init(struct events *events);

/* Reads the bytes, and calls `fn` for each event that they complete. */
void events_feed(struct events *events, const char *data, size_t bytes, event_fn *fn, void *arg);

#endif
