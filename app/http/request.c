/* One HTTP request: its life, and what a handler can ask about it. See request.h. */
#include "http/request.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/panic.h"
#include "http/query.h"
#include "http/request_id.h"

static uint64_t default_body_max_bytes;

void request_configure(uint64_t body_max_bytes)
{
    default_body_max_bytes = body_max_bytes;
}

/* -------------------- parameters -------------------- */

/* The value behind "NAME=" when the parameter is called so, or NULL. */
static const char *value_of(const char *param, const char *name, size_t name_length)
{
    return strncmp(param, name, name_length) == 0 && param[name_length] == '=' ? param + name_length + 1 : NULL;
}

#define TAKE_PARAM(param, name, member)                                                                                \
    do {                                                                                                               \
        const char *taken = value_of(param, name, sizeof(name) - 1);                                                   \
        if (taken != NULL)                                                                                             \
            (member) = taken;                                                                                          \
    } while (0)

/* Points the members into the parameters, in one pass. The first letter spares most comparisons. */
static void scan_params(struct mid_request *rq)
{
    const char *content_length = NULL;
    const char *id = NULL;
    rq->method = "";
    rq->target = "/";
    rq->trace_parent = NULL;
    rq->content_type = NULL;
    for (char **param = rq->params; *param != NULL; param++) {
        switch ((*param)[0]) {
        case 'R':
            TAKE_PARAM(*param, "REQUEST_METHOD", rq->method);
            TAKE_PARAM(*param, "REQUEST_URI", rq->target);
            break;
        case 'C':
            TAKE_PARAM(*param, "CONTENT_TYPE", rq->content_type);
            TAKE_PARAM(*param, "CONTENT_LENGTH", content_length);
            break;
        case 'H':
            TAKE_PARAM(*param, "HTTP_X_REQUEST_ID", id);
            TAKE_PARAM(*param, "HTTP_TRACEPARENT", rq->trace_parent);
            break;
        default:
            break;
        }
    }
    const char *question_mark = strchr(rq->target, '?');
    rq->query = question_mark != NULL ? question_mark + 1 : NULL;
    rq->is_head = strcmp(rq->method, "HEAD") == 0;
    if (id != NULL && request_id_is_valid(id))
        rq->id = id;
    else if (rq->id == NULL)
        rq->id = request_id_new(&rq->arena);
    rq->content_length = -1;
    if (content_length != NULL && *content_length != '\0' && !parse_int64(content_length, &rq->content_length))
        rq->content_length = INT64_MAX; /* no body is that long: too large */
}

const char *request_param_line(const struct mid_request *rq, const char *param_name, int k)
{
    size_t length = strlen(param_name);
    for (char **param = rq->params; *param != NULL; param++) {
        const char *value = value_of(*param, param_name, length);
        if (value != NULL && k-- == 0)
            return value;
    }
    return NULL;
}

void request_release_buffers(struct mid_request *rq)
{
    if (!rq->fcgi.has_buffers)
        return;
    size_t count = 0;
    size_t bytes = 0;
    for (char **param = rq->params; *param != NULL; param++, count++)
        bytes += strlen(*param) + 1;

    char **params = arena_alloc(&rq->arena, (count + 1) * sizeof(char *) + bytes);
    char *text = (char *)(params + count + 1);
    for (size_t i = 0; i < count; i++) {
        params[i] = text;
        text = stpcpy(text, rq->params[i]) + 1;
    }
    params[count] = NULL;
    rq->params = params;
    scan_params(rq);
    fcgi_request_release(&rq->fcgi);
}

/* -------------------- life -------------------- */

bool request_accept(struct mid_request *rq, struct connection *connection)
{
    memset(rq, 0, sizeof(*rq));
    if (!fcgi_request_accept(&rq->fcgi, connection))
        return false;
    rq->params = fcgi_request_params(&rq->fcgi);
    rq->body_max_bytes = default_body_max_bytes;
    rq->after_end = &rq->after_first;
    rq->deadline_ms = -1;
    scan_params(rq);
    return true;
}

void request_init_detached(struct mid_request *rq, const char *id)
{
    static char *no_params[] = {NULL};
    *rq = (struct mid_request){
        .params = no_params,
        .method = "",
        .target = "/",
        .id = id,
        .response = {.phase = RESPONSE_OVER},
        .body_is_over = true,
        .is_after = true,
        .deadline_ms = -1,
    };
    rq->after_end = &rq->after_first;
}

void request_finish(struct mid_request *rq)
{
    fcgi_request_release(&rq->fcgi);
    arena_fini(&rq->arena);
}

bool request_is_detached(const struct mid_request *rq)
{
    return rq->fcgi.connection == NULL;
}

bool request_is_gone(const struct mid_request *rq)
{
    return !rq->is_after && rq->fcgi.connection->is_gone;
}

/* -------------------- what a handler can ask -------------------- */

const char *mid_method(const struct mid_request *rq)
{
    return rq->method;
}

const char *mid_path(struct mid_request *rq)
{
    if (rq->path != NULL)
        return rq->path;
    char *path;
    if (!percent_decode_path(rq->target, strcspn(rq->target, "?"), &rq->arena, &path))
        panic("a handler was called for the path \"%s\", which cannot be decoded", rq->target);
    rq->path = path;
    return path;
}

const char *mid_request_id(const struct mid_request *rq)
{
    return rq->id;
}

const char *mid_trace_parent(const struct mid_request *rq)
{
    return rq->trace_parent != NULL && trace_parent_is_valid(rq->trace_parent) ? rq->trace_parent : NULL;
}

const char *mid_param(const struct mid_request *rq, const char *name)
{
    return route_match_param(&rq->match, name);
}

/* Whether a parameter's name, up to its '=', spells the field: HTTP_ACCEPT_LANGUAGE is Accept-Language. */
static bool is_field(const char *param, const char *field)
{
    if (strncmp(param, "HTTP_", 5) != 0)
        return false;
    for (param += 5; *field != '\0'; param++, field++) {
        char wanted = *field == '-' ? '_' : (char)toupper((unsigned char)*field);
        if (*param != wanted)
            return false;
    }
    return *param == '=';
}

const char *mid_header(const struct mid_request *rq, const char *name)
{
    if (strcasecmp(name, "Content-Type") == 0)
        return rq->content_type;
    if (strcasecmp(name, "Content-Length") == 0)
        return request_param_line(rq, "CONTENT_LENGTH", 0);
    for (char **param = rq->params; *param != NULL; param++)
        if (is_field(*param, name))
            return strchr(*param, '=') + 1;
    return NULL;
}

const char *mid_query(struct mid_request *rq, const char *name)
{
    return query_find(rq->query, name, &rq->arena);
}

enum mid_error mid_query_int(struct mid_request *rq, const char *name, int64_t min, int64_t max, int64_t fallback,
                             int64_t *value)
{
    const char *text = mid_query(rq, name);
    int64_t number = fallback;
    if (text != NULL && (!parse_int64(text, &number) || number < min || number > max))
        return mid_fail(rq, MID_BAD_REQUEST, "the parameter \"%s\" has to be a whole number from %lld to %lld", name,
                        (long long)min, (long long)max);
    *value = number;
    return MID_OK;
}

void *mid_alloc(struct mid_request *rq, size_t bytes)
{
    return arena_alloc(&rq->arena, bytes);
}

char *mid_printf(struct mid_request *rq, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(&rq->arena, format, arguments);
    va_end(arguments);
    return text;
}

enum mid_error mid_fail(struct mid_request *rq, enum mid_error error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rq->error_detail = arena_vprintf(&rq->arena, format, arguments);
    rq->retry_after_s = 0;
    va_end(arguments);
    return error;
}

static void log_of_request(struct mid_request *rq, enum mid_level level, const char *event, bool is_limited,
                           const char *format, va_list arguments)
{
    if (!log_is_on(level))
        return;
    char trace_id[TRACE_ID_LENGTH + 1];
    bool has_trace = trace_id_of(mid_trace_parent(rq), trace_id);
    log_vevent(level, event, &(struct log_request){.id = rq->id, .trace_id = has_trace ? trace_id : NULL}, is_limited,
               format, arguments);
}

void request_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_of_request(rq, level, event, true, format, arguments);
    va_end(arguments);
}

void mid_log(struct mid_request *rq, enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_of_request(rq, level, event, false, format, arguments);
    va_end(arguments);
}

enum mid_error mid_after_response(struct mid_request *rq, mid_after *fn, void *arg)
{
    if (request_is_detached(rq))
        return mid_fail(rq, MID_FAILED, "a task has no response after which something could be done");
    struct after_function *after = arena_alloc(&rq->arena, sizeof(*after));
    *after = (struct after_function){.fn = fn, .arg = arg};
    *rq->after_end = after;
    rq->after_end = &after->next;
    return MID_OK;
}
