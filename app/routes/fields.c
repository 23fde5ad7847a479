/* The session as a resource: read it, set a field, delete one, increment one. */
#include <jansson.h>

#include "routes/routes.h"

enum { VALUE_BYTES_MAX = 64 * 1024 };

static void add_field(const char *field, const char *value, size_t bytes, void *fields)
{
    json_t *text = json_stringn(value, bytes); /* NULL unless it is UTF-8 */
    json_object_set_new(fields, field, text != NULL ? text : json_null());
}

static void free_json(void *value)
{
    json_decref(value);
}

enum mid_error session_route(struct mid_request *rq)
{
    struct mid_session *session;
    struct mid_session_info info;
    MID_TRY(mid_set_header(rq, "Cache-Control", "no-store"));
    MID_TRY(mid_session_find(rq, &session));
    if (session == NULL)
        return mid_respond_json(rq, 200, "{s:n}", "session");
    MID_TRY(mid_session_info(session, &info));

    json_t *fields = json_object();
    mid_defer(rq, free_json, fields);
    MID_TRY(mid_session_each(session, add_field, fields));
    return mid_respond_json(rq, 200, "{s:{s:O, s:s?, s:I, s:I, s:I}}", "session", "fields", fields, "user", info.user,
                            "revision", (json_int_t)info.revision, "created_ms", (json_int_t)info.created_ms,
                            "expires_ms", (json_int_t)info.expires_ms);
}

enum mid_error set_field_route(struct mid_request *rq)
{
    struct mid_session *session;
    const char *value;
    size_t bytes;
    MID_TRY(mid_body_all(rq, VALUE_BYTES_MAX, &value, &bytes));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set_bytes(session, mid_param(rq, "field"), value, bytes));
    MID_TRY(mid_session_commit(session));
    return mid_respond_empty(rq, 204);
}

enum mid_error delete_field_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_find(rq, &session));
    if (session != NULL) {
        MID_TRY(mid_session_delete(session, mid_param(rq, "field")));
        MID_TRY(mid_session_commit(session));
    }
    return mid_respond_empty(rq, 204);
}

enum mid_error increment_field_route(struct mid_request *rq)
{
    const char *field = mid_param(rq, "field");
    struct mid_session *session;
    int64_t by;
    int64_t value;
    MID_TRY(mid_query_int(rq, "by", INT64_MIN, INT64_MAX, 1, &by));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_increment(session, field, by));
    MID_TRY(mid_session_commit(session));
    MID_TRY(mid_session_get_int(session, field, 0, &value));
    return mid_respond_json(rq, 200, "{s:I}", "value", (json_int_t)value);
}
