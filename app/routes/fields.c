/* The session as a resource: read it, set a field, delete one, increment one. */
#include "routes/routes.h"
#include "routes/session_json.h"

enum { VALUE_BYTES_MAX = 64 * 1024 };

static void add_field(const char *field, const char *value, size_t bytes, void *fields)
{
    json_t *text = json_stringn(value, bytes); /* NULL unless it is UTF-8 */
    json_object_set_new(fields, field, text != NULL ? text : json_null());
}

enum mid_error session_json(struct mid_session *session, json_t **value)
{
    struct mid_session_info info;
    *value = json_null();
    if (session == NULL)
        return MID_OK;
    json_t *fields = json_object();
    enum mid_error error = mid_session_info(session, &info);
    if (error == MID_OK)
        error = mid_session_each(session, add_field, fields);
    if (error != MID_OK) {
        json_decref(fields);
        return error;
    }
    *value = json_pack("{s:o, s:s?, s:I, s:I, s:I}", "fields", fields, "user", info.user, "revision",
                       (json_int_t)info.revision, "created_ms", (json_int_t)info.created_ms, "expires_ms",
                       (json_int_t)info.expires_ms);
    return *value != NULL ? MID_OK : MID_NO_MEMORY;
}

enum mid_error session_route(struct mid_request *rq)
{
    struct mid_session *session;
    json_t *value;
    MID_TRY(mid_set_header(rq, "Cache-Control", "no-store"));
    MID_TRY(mid_session_find(rq, &session));
    MID_TRY(session_json(session, &value));
    return mid_respond_json(rq, 200, "{s:o}", "session", value);
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
