/*
 * A small application, and what its handlers have noted: they run in the process of the test.
 */
#ifndef HANDLERS_APP_H
#define HANDLERS_APP_H

#include <midstream.h>
#include <stdbool.h>

struct notes {
    int starts;
    int stops;
    enum mid_error slept; /* what the last sleep or write that failed has returned */
    bool has_returned;    /* the handler that was to be left */
};

extern struct notes notes;
extern const struct mid_app app;

#endif
