/*
 * What the files of the tests' own application have for main.c, and for each other.
 *
 * All of them are compiled with the public header alone and linked with the static library, as anybody's application
 * is.
 */
#ifndef INTEGRATION_APP_H
#define INTEGRATION_APP_H

#include <stdbool.h>

#include "midstream.h"

/*
 * Plays acts, one after another: "set:a:1,commit". acts.c lists them. `task` is NULL outside of one. Each is noted in
 * the file $STAGE/notes: who, its number from 1, itself, its error, and its value if it has one:
 *
 *     h.2 take:flash MID_OK saved
 *
 * *answer is the last value, or NULL when an act has begun a stream. An act that fails is noted, too, and the next one
 * follows; but "return" returns with the last error. May suspend.
 */
enum mid_error acts_play(struct mid_request *rq, struct mid_task *task, const char *who, const char *acts,
                         const char **answer);

/* stage.c: appends a line to the notes; tells that `who` is at a gate, and waits until the test opens that (deaf to
 * whatever else would wake it). The latter may suspend. */
enum { STAGE_LOOK_MS = 10 };
void stage_note(struct mid_request *rq, const char *line);
enum mid_error stage_pass_gate(struct mid_request *rq, const char *who, const char *name, bool is_deaf);

/* places.c: /act?acts=...&who=...&after=...&then=... plays acts as `who` ("h"), then, after the response, as "a" and
 * "b". */
mid_handler act_route;

/* /act-task?acts=... adds a task of the visitor's session, or, with `alone`, of none. Who begins one first on this
 * stage plays as "t1", the next one, be it another attempt or another task, as "t2"... */
mid_handler add_act_route;
mid_task_handler act_task;

/*
 * calls.c: /call/{state}/{call} calls that function of the header in that state and notes its result in $STAGE/calls:
 *
 *     gone-in-stream mid_stream_write MID_GONE
 *
 * /calls lists the functions; /call-task adds a task that calls all of them.
 */
mid_handler call_route;
mid_handler calls_route;
mid_handler add_calls_route;
mid_task_handler calls_task;
mid_task_handler nothing_task;

/*
 * json.c: /json/{form} answers {"value":BODY} as a "response", a "row" or an "event"; /json-careless/{what} packs what
 * cannot be packed. /deferred defers functions that note their names, and /called answers these and forgets them.
 */
mid_handler json_echo_route;
mid_handler json_careless_route;
mid_handler deferred_route;
mid_handler called_route;

/* waits.c: /wait waits for descriptors of all kinds; /timer?ms=... tells, in an event, after how long a descriptor that
 * was to be readable by then has ended mid_wait(). */
mid_handler wait_route;
mid_handler timer_route;

/* sessions.c: what is said at each. */
mid_handler tab_route;
mid_handler increments_route;
mid_handler beyond_a_limit_route;
mid_handler endless_operations_route;
mid_handler fail_after_commit_route;
mid_handler fail_after_login_route;
mid_handler answers_route;
mid_handler view_route;
mid_handler redis_route;
mid_handler redis_bytes_route;

/* denied.c: /system-calls makes system calls, some that the filter denies, and answers how each ended. */
mid_handler system_calls_route;

/*
 * api.c: routes of all options; cookies and redirections, by the query; forms with files; and the application itself,
 * whose start fails or takes long if the environment says START=fail or slow, and whose end adds "PID STARTS" to the
 * file $STOPS.
 */
mid_handler before_user;
mid_handler path_route;
mid_handler count_body_route;
mid_handler sleep_long_route;
mid_handler whose_route;
mid_handler cookie_route;
mid_handler set_cookie_route;
mid_handler redirect_route;
mid_handler remote_route;
mid_handler parts_route;
mid_handler part_route;
mid_handler keep_route;
mid_handler context_route;
enum mid_error api_start(struct mid_request *rq, void *context);
void api_stop(void *context);

#endif
