/* Server-sent events: lines end with CR, LF or CR LF; an empty line dispatches what its predecessors said. */
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void events_init(struct events *events)
{
    memset(events, 0, sizeof(*events));
}

static int64_t id_number(const char *text)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return -1;
    long long number = strtoll(text, &end, 10);
    return *end == '\0' ? number : -1;
}

/* An event without a data field is not dispatched, whatever else it has. */
static void dispatch(struct events *events, event_fn *fn, void *arg)
{
    if (events->has_data)
        fn(&events->event, arg);
    events->has_data = false;
    events->event = (struct event){.id = 0};
}

static void field_line(struct events *events)
{
    char *value = strchr(events->line, ':');
    if (value != NULL) {
        *value++ = '\0';
        if (*value == ' ')
            value++;
    } else {
        value = events->line + events->line_length;
    }
    if (strcmp(events->line, "data") == 0) {
        events->has_data = true;
    } else if (strcmp(events->line, "event") == 0) {
        snprintf(events->event.name, sizeof(events->event.name), "%.*s", EVENTS_NAME_MAX - 1, value);
    } else if (strcmp(events->line, "id") == 0) {
        events->event.has_id = true;
        events->event.id = id_number(value);
    }
}

static void line_end(struct events *events, event_fn *fn, void *arg)
{
    events->line[events->line_length] = '\0';
    if (events->line_length == 0)
        dispatch(events, fn, arg);
    else if (events->line[0] != ':')
        field_line(events);
    events->line_length = 0;
}

void events_feed(struct events *events, const char *data, size_t bytes, event_fn *fn, void *arg)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = data[i];
        bool is_lf_of_crlf = c == '\n' && events->after_cr;
        events->after_cr = c == '\r';
        if (is_lf_of_crlf)
            continue;
        if (c == '\r' || c == '\n')
            line_end(events, fn, arg);
        else if (events->line_length < EVENTS_LINE_MAX - 1)
            events->line[events->line_length++] = c;
    }
}
