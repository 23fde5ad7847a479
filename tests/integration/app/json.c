/* JSON in and out, and what a request gives back at its end. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "app.h"

enum { BODY_MAX = 64 * 1024 };

/* Answers the value of the body under "value", in the form that the parameter names. */
enum mid_error json_echo_route(struct mid_request *rq)
{
    json_t *value;
    MID_TRY(mid_body_json(rq, BODY_MAX, &value));
    const char *form = mid_param(rq, "form");
    if (strcmp(form, "response") == 0)
        return mid_respond_json(rq, 200, "{s:O}", "value", value);
    if (strcmp(form, "row") == 0) {
        MID_TRY(mid_rows_begin(rq));
        return mid_row_json(rq, "{s:O}", "value", value);
    }
    MID_TRY(mid_events_begin(rq));
    return mid_event_json(rq, &(struct mid_event){.id = "1"}, "{s:O}", "value", value);
}

/* What a careless handler may pack. */
enum mid_error json_careless_route(struct mid_request *rq)
{
    const char *what = mid_param(rq, "what");
    if (strcmp(what, "bytes") == 0)
        return mid_respond_json(rq, 200, "{s:s}", "name", "\xff");
    if (strcmp(what, "null") == 0)
        return mid_respond_json(rq, 200, "{s:s}", "name", NULL);
    if (strcmp(what, "optional") == 0)
        return mid_respond_json(rq, 200, "{s:s?}", "name", NULL);
    return mid_respond_json(rq, 200, "{\"name\":%s}", "x");
}

/* -------------------- deferred functions -------------------- */

/* What has been called since it was asked for last. Of one worker. */
static char called[32];

static char a[] = "a";
static char b[] = "b";
static char c[] = "c";
static char after[] = "after-";

static void note(void *text)
{
    strncat(called, text, sizeof(called) - strlen(called) - 1);
}

static void note_after(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)outcome;
    mid_defer(rq, note, c);
    note(arg);
}

enum mid_error deferred_route(struct mid_request *rq)
{
    mid_defer(rq, note, a);
    mid_defer(rq, note, b);
    MID_TRY(mid_after_response(rq, note_after, after));
    if (mid_query(rq, "fails") != NULL)
        return mid_fail(rq, MID_FORBIDDEN, "as asked");
    return mid_respond_text(rq, 200, called);
}

enum mid_error called_route(struct mid_request *rq)
{
    enum mid_error error = mid_respond_text(rq, 200, called);
    called[0] = '\0';
    return error;
}
