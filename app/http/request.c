/* One HTTP request: its life, and what a handler can ask about it. See request.h. */
#include "http/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/number.h"
#include "base/panic.h"
#include "http/query.h"
#include "http/request_id.h"

static struct request_settings settings;

void request_init(const struct request_settings *request_settings)
{
    settings = *request_settings;
}

const struct request_settings *request_settings(void)
{
    return &settings;
}

enum mid_durability request_durability(const struct mid_request *rq)
{
    return rq->durability != MID_DURABLE_DEFAULT ? rq->durability : settings.durability;
}

void mid_set_durability(struct mid_request *rq, enum mid_durability durability)
{
    if (durability > MID_DURABLE_REPLICA)
        mid_log(rq, MID_ERROR, "request.durability", "value=%d reason=\"it is none of enum mid_durability\"",
                (int)durability);
    else
        rq->durability = durability;
}

/* -------------------- parameters -------------------- */

/* The value behind "NAME=" when the parameter is called so, or NULL. */
static const char *value_of(const char *param, const char *name, size_t name_length)
{
    return strncmp(param, name, name_length) == 0 && param[name_length] == '=' ? param + name_length + 1 : NULL;
}

/* Of several of a name the first counts, as in request_param_line() and mid_header(): what the web server has been
 * configured to send comes before what it makes of the client's fields. */
#define TAKE_PARAM(param, name, member)                                                                                \
    do {                                                                                                               \
        const char *taken = (member) == NULL ? value_of(param, name, sizeof(name) - 1) : NULL;                         \
        if (taken != NULL)                                                                                             \
            (member) = taken;                                                                                          \
    } while (0)

/* What is read out of the parameters, before it is checked. */
struct raw_params {
    const char *request_uri;
    const char *script_name;
    const char *path_info;
    const char *query_string;
    const char *content_length;
    const char *id;
};

/* In one pass. The first letter spares most comparisons. */
static void find_params(struct mid_request *rq, struct raw_params *raw)
{
    for (char **param = rq->params; *param != NULL; param++) {
        switch ((*param)[0]) {
        case 'R':
            TAKE_PARAM(*param, "REQUEST_METHOD", rq->method);
            TAKE_PARAM(*param, "REQUEST_URI", raw->request_uri);
            break;
        case 'C':
            TAKE_PARAM(*param, "CONTENT_TYPE", rq->content_type);
            TAKE_PARAM(*param, "CONTENT_LENGTH", raw->content_length);
            break;
        case 'H':
            TAKE_PARAM(*param, "HTTP_X_REQUEST_ID", raw->id);
            TAKE_PARAM(*param, "HTTP_TRACEPARENT", rq->trace_parent);
            TAKE_PARAM(*param, "HTTP_LAST_EVENT_ID", rq->last_event_id);
            break;
        case 'S':
            TAKE_PARAM(*param, "SCRIPT_NAME", raw->script_name);
            break;
        case 'P':
            TAKE_PARAM(*param, "PATH_INFO", raw->path_info);
            break;
        case 'Q':
            TAKE_PARAM(*param, "QUERY_STRING", raw->query_string);
            break;
        default:
            break;
        }
    }
}

/* The target of an absolute-form, http://example.org/path?query, without scheme and authority (RFC 9112, 3.2.2). */
static const char *origin_form(struct mid_request *rq, const char *uri)
{
    if (uri[0] == '/' || (strncasecmp(uri, "http://", 7) != 0 && strncasecmp(uri, "https://", 8) != 0))
        return uri;
    const char *authority = strstr(uri, "://") + 3;
    const char *path = authority + strcspn(authority, "/?");
    return *path == '/' ? path : arena_printf(&rq->arena, "/%s", path);
}

/* REQUEST_URI is none of CGI's variables. Without it the path comes decoded (RFC 3875, 4.1.5 and 4.1.13), and is
 * encoded again, because it will be decoded. */
static const char *make_target(struct mid_request *rq, const struct raw_params *raw)
{
    if (raw->request_uri != NULL && raw->request_uri[0] != '\0')
        return origin_form(rq, raw->request_uri);
    const char *script = raw->script_name != NULL ? raw->script_name : "";
    const char *info = raw->path_info != NULL ? raw->path_info : "";
    bool has_query = raw->query_string != NULL && raw->query_string[0] != '\0';
    const char *path = *script == '\0' && *info == '\0'
                           ? "/"
                           : percent_encode_path(arena_printf(&rq->arena, "%s%s", script, info), &rq->arena);
    return has_query ? arena_printf(&rq->arena, "%s?%s", path, raw->query_string) : path;
}

/* RFC 9110, 8.6: digits. */
static int64_t read_content_length(const char *text)
{
    int64_t length;
    if (text == NULL || *text == '\0')
        return -1;
    while (text[0] == '0' && text[1] != '\0')
        text++;
    return number_parse(text, &length) && length >= 0 ? length : CONTENT_LENGTH_INVALID;
}

static void scan_params(struct mid_request *rq)
{
    struct raw_params raw = {0};
    rq->method = NULL;
    rq->content_type = NULL;
    rq->trace_parent = NULL;
    rq->last_event_id = NULL;
    find_params(rq, &raw);
    if (rq->method == NULL)
        rq->method = "";
    rq->target = make_target(rq, &raw);
    const char *question_mark = strchr(rq->target, '?');
    rq->query = question_mark != NULL ? question_mark + 1 : NULL;
    rq->is_head = strcmp(rq->method, "HEAD") == 0;
    rq->content_length = read_content_length(raw.content_length);
    if (raw.id != NULL && request_id_is_valid(raw.id))
        rq->id = raw.id;
    else if (rq->id == NULL)
        rq->id = request_id_new(&rq->arena);
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
    rq->body_max_bytes = settings.body_max_bytes;
    rq->after_end = &rq->after_first;
    rq->wait.deadline_ms = -1;
    rq->client = connection;
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
        .wait = {.deadline_ms = -1},
    };
}

void request_finish(struct mid_request *rq)
{
    for (const struct deferred *deferred = rq->deferred; deferred != NULL; deferred = deferred->next)
        deferred->fn(deferred->arg);
    fcgi_request_release(&rq->fcgi);
    arena_fini(&rq->handler_arena);
    arena_fini(&rq->arena);
}

bool request_awaits_head(const struct mid_request *rq)
{
    enum response_phase phase = rq->response.phase;
    return rq->client != NULL && (phase == RESPONSE_NONE || phase == RESPONSE_PREPARED);
}

bool request_is_gone(const struct mid_request *rq)
{
    return rq->client != NULL && rq->client->is_gone;
}

/* -------------------- what a handler can ask -------------------- */

/* The parameters are libfcgi's until its buffers are released. What was taken out of them before has to outlive that.
 */
static const char *keep(struct mid_request *rq, const char *text)
{
    return text != NULL && rq->fcgi.has_buffers ? arena_strdup(&rq->arena, text) : text;
}

const char *mid_method(struct mid_request *rq)
{
    return keep(rq, rq->method);
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

const char *mid_request_id(struct mid_request *rq)
{
    return keep(rq, rq->id);
}

/* As it came, if it is valid. */
static const char *valid_trace_parent(const struct mid_request *rq)
{
    return rq->trace_parent != NULL && trace_parent_is_valid(rq->trace_parent) ? rq->trace_parent : NULL;
}

const char *mid_trace_parent(struct mid_request *rq)
{
    return keep(rq, valid_trace_parent(rq));
}

const char *mid_param(const struct mid_request *rq, const char *name)
{
    const char *value = route_match_param(&rq->match, name);
    if (value != NULL || rq->match.route == NULL)
        return value;
    log_event(MID_ERROR, "request.parameter", "request=%s reason=\"route %s has no parameter %s\"", rq->id,
              rq->match.route->pattern, name);
    return "";
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

const char *request_field(const struct mid_request *rq, const char *name)
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

const char *mid_header(struct mid_request *rq, const char *name)
{
    return keep(rq, request_field(rq, name));
}

const char *mid_remote_address(struct mid_request *rq)
{
    const char *address = request_param_line(rq, "REMOTE_ADDR", 0);
    return address != NULL ? keep(rq, address) : "";
}

void *mid_context(const struct mid_request *rq)
{
    (void)rq;
    return settings.context;
}

const char *mid_query(struct mid_request *rq, const char *name)
{
    return query_find(rq->query, name, &rq->arena);
}

enum mid_error request_parse_int(struct mid_request *rq, const struct int_input *input, int64_t *value)
{
    int64_t number = input->fallback;
    const char *text = query_find(input->query, input->name, &rq->arena);
    if (text == NULL && query_has(input->query, input->name))
        text = ""; /* its bytes cannot be a number */
    if (text != NULL && (!number_parse(text, &number) || number < input->min || number > input->max))
        return mid_fail(rq, MID_BAD_REQUEST, "the %s \"%s\" has to be a whole number from %lld to %lld", input->kind,
                        input->name, (long long)input->min, (long long)input->max);
    *value = number;
    return MID_OK;
}

enum mid_error mid_query_int(struct mid_request *rq, const char *name, int64_t min, int64_t max, int64_t fallback,
                             int64_t *value)
{
    return request_parse_int(rq, &(struct int_input){"parameter", name, rq->query, min, max, fallback}, value);
}

void *mid_alloc(struct mid_request *rq, size_t bytes)
{
    return arena_alloc(&rq->handler_arena, bytes);
}

void mid_release(struct mid_request *rq)
{
    arena_reset(&rq->handler_arena);
}

void mid_defer(struct mid_request *rq, void (*fn)(void *arg), void *arg)
{
    struct deferred *deferred = arena_alloc(&rq->arena, sizeof(*deferred));
    *deferred = (struct deferred){.fn = fn, .arg = arg, .next = rq->deferred};
    rq->deferred = deferred;
}

char *mid_printf(struct mid_request *rq, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(&rq->handler_arena, format, arguments);
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
    bool has_trace = trace_id_of(valid_trace_parent(rq), trace_id);
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

void request_alarm(struct mid_request *rq)
{
    rq->wait.is_alarmed = true;
    if (rq->wait.fiber != NULL)
        loop_wake(rq->wait.fiber);
}

void mid_time_limit(struct mid_request *rq, int64_t ms)
{
    if (rq->client == NULL || rq->response.phase == RESPONSE_STREAMING)
        return;
    rq->wait.deadline_ms = ms >= 0 ? loop_now_ms() + ms : -1;
    rq->client->deadline_ms = rq->wait.deadline_ms;
}

enum mid_error mid_after_response(struct mid_request *rq, mid_after *fn, void *arg)
{
    if (rq->after_end == NULL)
        return mid_fail(rq, MID_FAILED, "a task has no response that anything could follow");
    struct after_function *after = arena_alloc(&rq->arena, sizeof(*after));
    *after = (struct after_function){.fn = fn, .arg = arg};
    *rq->after_end = after;
    rq->after_end = &after->next;
    return MID_OK;
}
