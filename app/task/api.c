/* Adding, finding and cancelling tasks. See api.h and midstream.h. */
#include "task/api.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "http/request.h"
#include "session/session.h"
#include "task/task.h"

enum {
    ATTEMPTS_MAX = 1000,
    RID_TEXT_BYTES = 2 * TOKEN_RID_BYTES + 1,
    SESSION_TEXT_BYTES = RID_TEXT_BYTES + 8,
    ID_RANDOM_BYTES = 16
};

static const char default_queue[] = "default";

static const char *const state_names[] = {"waiting", "delayed", "running", "done", "dead", "cancelled"};
enum { STATE_COUNT = sizeof(state_names) / sizeof(state_names[0]) };

static int default_attempts;

void task_api_init(const struct queue_settings *queue, int attempts)
{
    queue_init(queue);
    default_attempts = attempts;
}

const char *mid_task_state_name(enum mid_task_state state)
{
    ENSURE((size_t)state < STATE_COUNT);
    return state_names[state];
}

/* -------------------- adding -------------------- */

void mid_task_new_id(const char *queue, char id[MID_TASK_ID_BYTES])
{
    uint8_t random[ID_RANDOM_BYTES];
    const char *name = queue != NULL ? queue : default_queue;
    if (!queue_name_is_valid(name))
        panic("the queue \"%s\" has no name of 1 to 32 lower-case letters, digits, '-' and '_'", name);
    char *end = stpcpy(id, name);
    *end++ = '.';
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(end, 2 * sizeof(random) + 1, random, sizeof(random));
}

static enum mid_error check_options(struct mid_request *rq, const struct mid_task_options *options)
{
    char queue[QUEUE_NAME_BYTES];
    if (options->queue != NULL && !queue_name_is_valid(options->queue))
        return mid_fail(rq, MID_UNPROCESSABLE, "a queue's name is 1 to 32 lower-case letters, digits, '-' and '_'");
    if (options->id != NULL && !task_id_parse(options->id, queue))
        return mid_fail(rq, MID_BAD_REQUEST, "this is not a task id");
    if (options->id != NULL && options->queue != NULL && strcmp(queue, options->queue) != 0)
        return mid_fail(rq, MID_BAD_REQUEST, "this task id belongs to another queue");
    if (options->delay_ms < 0 || options->delay_ms > QUEUE_DELAY_MAX_MS)
        return mid_fail(rq, MID_UNPROCESSABLE, "a task's delay is at most 30 days");
    if (options->deadline_ms < 0 || options->deadline_ms > QUEUE_DELAY_MAX_MS)
        return mid_fail(rq, MID_UNPROCESSABLE, "the deadline of a task's attempts is at most 30 days");
    if (options->attempts < 0 || options->attempts > ATTEMPTS_MAX)
        return mid_fail(rq, MID_UNPROCESSABLE, "a task has 1 to %d attempts", ATTEMPTS_MAX);
    const char *key = options->dedup_key;
    if (key != NULL && (key[0] == '\0' || strlen(key) > QUEUE_DEDUP_BYTES_MAX))
        return mid_fail(rq, MID_UNPROCESSABLE, "a deduplication key has 1 to %d bytes", QUEUE_DEDUP_BYTES_MAX);
    return MID_OK;
}

enum mid_error mid_task_enqueue(struct mid_request *rq, const char *name, const void *payload, size_t bytes,
                                const struct mid_task_options *options, char id[MID_TASK_ID_BYTES])
{
    static const struct mid_task_options no_options;
    if (options == NULL)
        options = &no_options;
    if (!task_name_is_valid(name))
        return mid_fail(rq, MID_UNPROCESSABLE, "a task's name is 1 to 64 letters, digits, '-', '_' and '.'");
    if (bytes > MID_TASK_PAYLOAD_MAX)
        return mid_fail(rq, MID_TOO_LARGE, "a task's payload has at most %d bytes", MID_TASK_PAYLOAD_MAX);
    MID_TRY(check_options(rq, options));
    if (task_types() != NULL && task_type_find(name) == NULL)
        request_log(rq, MID_WARN, "task.unknown-name",
                    "name=%s consequence=\"a worker that does not know it either makes it a dead letter\"", name);
    MID_TRY(session_store_now(rq->session));

    char new_id[MID_TASK_ID_BYTES];
    char stored_id[MID_TASK_ID_BYTES];
    char rid[SESSION_TEXT_BYTES] = "";
    if (options->id == NULL)
        mid_task_new_id(options->queue, new_id);
    if (rq->session != NULL && rq->session->is_in_use) { /* which one, and which login of it */
        sodium_bin2hex(rid, RID_TEXT_BYTES, rq->session->rid, TOKEN_RID_BYTES);
        snprintf(rid + 2 * TOKEN_RID_BYTES, SESSION_TEXT_BYTES - 2 * TOKEN_RID_BYTES, "%08x", rq->session->generation);
    }
    enum mid_error error =
        queue_add(&(struct queue_task){.id = options->id != NULL ? options->id : new_id,
                                       .name = name,
                                       .payload = payload,
                                       .payload_bytes = bytes,
                                       .delay_ms = options->delay_ms,
                                       .attempts = options->attempts > 0 ? options->attempts : default_attempts,
                                       .deadline_ms = options->deadline_ms,
                                       .dedup_key = options->dedup_key != NULL ? options->dedup_key : "",
                                       .rid = rid,
                                       .request_id = rq->id,
                                       .durability = request_durability(rq)},
                  stored_id);
    if (error == MID_OVERLOADED)
        return mid_fail(rq, error, "the queue is full");
    MID_TRY(error);
    if (id != NULL)
        memcpy(id, stored_id, MID_TASK_ID_BYTES);
    return MID_OK;
}

/* -------------------- finding -------------------- */

struct finding {
    struct mid_request *rq;
    struct mid_task_info *info;
    bool has_state;
    char session[SESSION_TEXT_BYTES]; /* its rid, and its generation when the task was added */
};

static void take_state(struct finding *finding, const char *value)
{
    for (size_t i = 0; i < STATE_COUNT; i++)
        if (strcmp(value, state_names[i]) == 0) {
            finding->info->state = (enum mid_task_state)i;
            finding->has_state = true;
        }
}

static void take_progress(struct mid_task_info *info, const char *value)
{
    char *slash;
    info->progress = strtoll(value, &slash, 10);
    info->total = *slash == '/' ? strtoll(slash + 1, NULL, 10) : 0;
}

static void take_field(const char *field, const char *value, size_t bytes, void *arg)
{
    struct finding *finding = arg;
    struct mid_task_info *info = finding->info;
    struct arena *arena = &finding->rq->handler_arena;
    if (strcmp(field, "state") == 0)
        take_state(finding, value);
    else if (strcmp(field, "name") == 0)
        info->name = arena_strndup(arena, value, bytes);
    else if (strcmp(field, "attempt") == 0)
        info->attempt = (int)strtol(value, NULL, 10);
    else if (strcmp(field, "attempts") == 0)
        info->attempts = (int)strtol(value, NULL, 10);
    else if (strcmp(field, "progress") == 0)
        take_progress(info, value);
    else if (strcmp(field, "created") == 0)
        info->created_ms = strtoll(value, NULL, 10);
    else if (strcmp(field, "finished") == 0)
        info->finished_ms = strtoll(value, NULL, 10);
    else if (strcmp(field, "result") == 0)
        info->result = arena_strndup(arena, value, bytes);
    else if (strcmp(field, "error") == 0)
        info->error = arena_strndup(arena, value, bytes);
    else if (strcmp(field, "detail") == 0)
        info->detail = arena_strndup(arena, value, bytes);
    else if (strcmp(field, "cancel") == 0)
        info->is_cancel_requested = true;
    else if (strcmp(field, "rid") == 0 && bytes < sizeof(finding->session))
        memcpy(finding->session, value, bytes); /* the rest of it is zero */
}

/* The id is what visitors send: nothing is asked of Redis for what is none. */
static enum mid_error check_id(struct mid_request *rq, const char *id)
{
    char queue[QUEUE_NAME_BYTES];
    return id != NULL && task_id_parse(id, queue) ? MID_OK : mid_fail(rq, MID_BAD_REQUEST, "this is not a task id");
}

/* The session that the request's cookie names, if it has not been opened yet: whether it is there is Redis's to say. */
MAY_SUSPEND static enum mid_error find_session(struct mid_request *rq)
{
    struct mid_session *session;
    if (rq->client == NULL || (rq->session != NULL && rq->session->state != SESSION_CLAIMED))
        return MID_OK;
    enum mid_error error = mid_session_find(rq, &session);
    if (error != MID_FORBIDDEN) /* nothing says that it is the visitor who asks: then it is nobody's own */
        return error;
    rq->error_detail = NULL;
    return MID_OK;
}

/* Of this session, and of no login before that of now. */
static bool is_own(const struct mid_request *rq, const char *session)
{
    char own[RID_TEXT_BYTES];
    if (rq->session == NULL || rq->session->state != SESSION_LIVE)
        return false;
    sodium_bin2hex(own, sizeof(own), rq->session->rid, TOKEN_RID_BYTES);
    const char *generation = session + 2 * TOKEN_RID_BYTES;
    bool is_of_login = !rq->session->has_header || session[0] == '\0' || generation[0] == '\0' ||
                       strtoul(generation, NULL, 16) >= rq->session->header.login;
    return is_of_login && strncmp(own, session, 2 * TOKEN_RID_BYTES) == 0;
}

enum mid_error mid_task_find(struct mid_request *rq, const char *id, struct mid_task_info *info)
{
    struct mid_task_info found = {.name = "", .result = "", .error = "", .detail = ""};
    struct finding finding = {.rq = rq, .info = &found};
    MID_TRY(check_id(rq, id));
    enum mid_error error = queue_show(id, take_field, &finding);
    if (error == MID_NOT_FOUND || (error == MID_OK && !finding.has_state))
        return mid_fail(rq, MID_NOT_FOUND, "there is no such task; it may have expired");
    MID_TRY(error);
    if (finding.session[0] != '\0')
        MID_TRY(find_session(rq));
    found.is_own = is_own(rq, finding.session);
    found.is_cancel_requested = found.is_cancel_requested && found.state == MID_TASK_RUNNING;
    *info = found;
    return MID_OK;
}

enum mid_error mid_task_cancel(struct mid_request *rq, const char *id)
{
    char state[QUEUE_STATE_BYTES];
    MID_TRY(check_id(rq, id));
    enum mid_error error = queue_cancel(id, state);
    return error == MID_NOT_FOUND ? mid_fail(rq, error, "there is no such task; it may have expired") : error;
}
