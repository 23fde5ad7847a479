/* JSON by jansson. See json.h. */
#include "http/json.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "http/field.h"
#include "http/request.h"

enum {
    DEPTH_MAX = 64, /* jansson recurses, on a fiber's stack, and allows 2048 */
    PACK_FLAGS = JSON_COMPACT | JSON_ENCODE_ANY,
    PARSE_FLAGS = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
};

/* -------------------- writing -------------------- */

static int append(const char *data, size_t bytes, void *out)
{
    buffer_append(out, data, bytes);
    return 0;
}

enum mid_error json_pack_append(struct mid_request *rq, struct buffer *out, const char *format, va_list arguments)
{
    json_error_t problem;
    json_t *value = json_vpack_ex(&problem, 0, format, arguments);
    if (value != NULL) {
        int result = json_dump_callback(value, append, out, PACK_FLAGS);
        json_decref(value);
        return result == 0 ? MID_OK : MID_NO_MEMORY;
    }
    enum json_error_code code = json_error_code(&problem);
    bool is_value = code == json_error_invalid_utf8 || code == json_error_null_value;
    return mid_fail(rq, is_value ? MID_UNPROCESSABLE : MID_FAILED, "JSON of the format \"%s\": %s, at character %d",
                    format, problem.text, problem.column);
}

enum mid_error mid_respond_json(struct mid_request *rq, int status, const char *format, ...)
{
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    enum mid_error error = json_pack_append(rq, &text, format, arguments);
    va_end(arguments);
    if (error == MID_OK) {
        buffer_append(&text, "\n", 1);
        error = mid_respond(rq, status, "application/json", text.data, text.length);
    }
    buffer_fini(&text);
    return error;
}

/* -------------------- reading -------------------- */

/* "application/json", or a type that ends in "+json" (RFC 6839, 3.1). */
static bool is_json(const char *content_type)
{
    if (content_type == NULL)
        return false;
    size_t length = strcspn(content_type, "; \t");
    return media_type_is(content_type, "application/json") ||
           (length > 5 && strncasecmp(content_type + length - 5, "+json", 5) == 0);
}

/* How deep arrays and objects lie in one another; brackets in strings do not count. */
static int depth_of(const char *text, size_t bytes)
{
    int depth = 0;
    int deepest = 0;
    bool is_string = false;
    for (size_t i = 0; i < bytes; i++) {
        if (is_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            is_string = !is_string;
        else if (!is_string && (text[i] == '[' || text[i] == '{'))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!is_string && (text[i] == ']' || text[i] == '}'))
            depth--;
    }
    return deepest;
}

static void give_back(void *value)
{
    json_decref(value);
}

enum mid_error mid_body_json(struct mid_request *rq, size_t max_bytes, struct json_t **value)
{
    const char *text;
    size_t bytes;
    json_error_t problem;
    if (!is_json(rq->content_type))
        return mid_fail(rq, MID_BAD_REQUEST, "the body has to be of type application/json");
    MID_TRY(mid_body_all(rq, max_bytes, &text, &bytes));
    if (depth_of(text, bytes) > DEPTH_MAX)
        return mid_fail(rq, MID_BAD_REQUEST, "the body has JSON that is nested deeper than %d", DEPTH_MAX);
    json_t *parsed = json_loadb(text, bytes, PARSE_FLAGS, &problem);
    if (parsed == NULL)
        return mid_fail(rq, MID_BAD_REQUEST, "the body is not JSON: line %d, column %d: %s", problem.line,
                        problem.column, problem.text);
    mid_defer(rq, give_back, parsed);
    *value = parsed;
    return MID_OK;
}

enum mid_error json_check(struct mid_request *rq, const char *text, size_t bytes)
{
    json_error_t problem;
    if (depth_of(text, bytes) > DEPTH_MAX)
        return mid_fail(rq, MID_UNPROCESSABLE, "this JSON is nested deeper than %d", DEPTH_MAX);
    json_t *parsed = json_loadb(text, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    if (parsed == NULL)
        return mid_fail(rq, MID_UNPROCESSABLE, "this is not JSON: line %d, column %d: %s", problem.line, problem.column,
                        problem.text);
    json_decref(parsed);
    return MID_OK;
}
