/*
 * Scripts: what a writer is to do, as the test sends it. The application does it, and writes down each call and its
 * answer.
 *
 * A script is text, a line each: the phase that it belongs to, how it ends, and operations.
 *
 *     run 17                          the run's number
 *     task 18 ID                      that of the task that `enqueue` adds, and its id
 *     h commit app:log set:m.reg      h: the handler
 *     h ask app:log take:m.box        a, b: the first and the second after-response function
 *     h implicit inc:u.sum:3          t: the task, all of whose attempts do the same
 *     a commit del:u.p2
 *
 * The value that a call writes is its own name ("17.h.2": run, phase, line), so every value is written once. What is
 * begun is written down before it, as
 *
 *     > 17.h.2 PID VALUE ask app:log take:m.box        and its answer as         < 17.h.2 MID_OK 12.h.5
 *
 * ways to end:
 *     commit, step (mid_task_commit), ask (the last operation is take, sia or cas), renew (renew:USER, another user;
 *     again:USER, the same one), destroy, enqueue
 *     implicit    what is recorded is left to the runtime: the phase is over
 *     drop        the handler fails with its operations recorded
 *     read        refresh, and all fields          peek     a field, as the view has it
 *     begin       of a stream of rows              nap      for so many milliseconds
 *     need        the handler fails if the session has no such field: it is not the one that it was sent to
 *     stop        the phase ends here if the call before has failed
 *
 * operations: set:F, bytes:F (a value with NUL), del:F, inc:F:N, app:F (the value and ';', at most LOG_MAX bytes),
 * tail:F (the same, TAIL_MAX), and what is to be refused: bad (a name with '@'), long:F (a value too long), nan (an
 * increment of "log", behind app:log a text).
 */
#ifndef MODEL_APP_SCRIPT_H
#define MODEL_APP_SCRIPT_H

#include "midstream.h"

enum { LOG_MAX = 4000, TAIL_MAX = 40, LONG_BYTES = 20000 };

struct script {
    struct mid_request *rq;
    const char *text;
    struct mid_session *session;
    struct mid_task *task; /* NULL: not in a task */
    unsigned attempt;      /* of this process, from 1: which one it is */
    bool is_stream;        /* rows have begun: calls are reported */
    bool is_in_doubt;      /* a commit was not answered: the view shows what may not be stored */
};

/* Does the lines of one phase, in the session that is open. Returns what the handler is to return. */
enum mid_error script_run(struct script *script, char phase);

/* Whether the script has lines of the phase. */
bool script_has(const struct script *script, char phase);

/* Writes down that a phase is over. */
void script_note_end(const struct script *script, char phase, enum mid_error error);

#endif
