/*
 * The application of the model test: writers in requests, streams, after-response functions and tasks, each of which
 * does what a script says (script.h).
 *
 * It is compiled with the public header alone and linked with the static library, as anybody's application is.
 */
#include <string.h>

#include "journal.h"
#include "midstream.h"
#include "script.h"

enum { SCRIPT_BYTES_MAX = 60 * 1024 };

static enum mid_error null_route(struct mid_request *rq)
{
    return mid_respond_json(rq, 200, "{}\n");
}

/* -------------------- after the response -------------------- */

static void run_after(struct script *script, char phase)
{
    enum mid_error error = mid_session_open(script->rq, &script->session);
    if (error == MID_OK)
        error = script_run(script, phase);
    script_note_end(script, phase, error);
}

static void after_first(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)rq, (void)outcome;
    run_after(arg, 'a');
}

static void after_second(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)rq, (void)outcome;
    run_after(arg, 'b');
}

/* What the others have recorded was committed before this one. */
static void after_last(struct mid_request *rq, enum mid_outcome outcome, void *arg)
{
    (void)rq, (void)outcome;
    script_note_end(arg, 'z', MID_OK);
}

/* -------------------- requests and streams -------------------- */

static enum mid_error read_script(struct mid_request *rq, struct script **script)
{
    size_t bytes;
    *script = mid_alloc(rq, sizeof(**script));
    **script = (struct script){.rq = rq};
    return mid_body_all(rq, SCRIPT_BYTES_MAX, &(*script)->text, &bytes);
}

static enum mid_error run_route(struct mid_request *rq)
{
    struct script *script;
    MID_TRY(read_script(rq, &script));
    if (script_has(script, 'a'))
        mid_after_response(rq, after_first, script);
    if (script_has(script, 'b'))
        mid_after_response(rq, after_second, script);
    if (script_has(script, 'a'))
        mid_after_response(rq, after_last, script);
    enum mid_error error = mid_session_open(rq, &script->session);
    if (error == MID_OK)
        error = script_run(script, 'h');
    script_note_end(script, 'h', error);
    MID_TRY(error);
    return script->is_stream ? MID_OK : mid_respond_empty(rq, 204);
}

/* -------------------- tasks -------------------- */

static enum mid_error model_task(struct mid_request *rq, struct mid_task *task)
{
    static unsigned attempts;
    size_t bytes;
    const char *text = mid_task_payload(task, &bytes);
    struct script script = {
        .rq = rq, .task = task, .attempt = ++attempts, .text = mid_printf(rq, "%.*s", (int)bytes, text)};
    enum mid_error error = mid_task_session(task, &script.session);
    if (error == MID_OK)
        error = script_run(&script, 't');
    script_note_end(&script, 't', error);
    return error;
}

static const struct mid_task_type tasks[] = {{"model", model_task}, {0}};

static const struct mid_route routes[] = {MID_GET("/null", null_route), MID_POST("/run", run_route), {0}};

int main(int argc, char **argv)
{
    mid_task_register(tasks);
    return mid_main(argc, argv, routes);
}
