/* Sessions in ways in which the demonstration does not use them, and commands of Redis. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"

enum { LONG_MS = 3600 * 1000 };

/* -------------------- sessions -------------------- */

/* Raises `shared` and the visitor's choice of a field in one commit. */
static enum mid_error raise_both(struct mid_request *rq, struct mid_session *session)
{
    const char *own = mid_query(rq, "own");
    MID_TRY(mid_session_increment(session, "shared", 1));
    MID_TRY(mid_session_increment(session, own != NULL ? own : "own", 1));
    return mid_session_commit(session);
}

enum mid_error tab_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(raise_both(rq, session));
    return mid_respond_empty(rq, 204);
}

enum mid_error increments_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t times;
    int64_t interval_ms;
    MID_TRY(mid_query_int(rq, "times", 1, 1000000, 10, &times));
    MID_TRY(mid_query_int(rq, "interval_ms", 0, LONG_MS, 0, &interval_ms));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_rows_begin(rq));
    for (int64_t i = 1; i <= times; i++) {
        MID_TRY(raise_both(rq, session));
        if (i % 100 == 1 || interval_ms > 0)
            MID_TRY(mid_row_printf(rq, "%" PRId64, i));
        if (interval_ms > 0)
            MID_TRY(mid_sleep_ms(rq, interval_ms));
    }
    return MID_OK;
}

/* Several changes, the last one over a limit. */
enum mid_error beyond_a_limit_route(struct mid_request *rq)
{
    struct mid_session *session;
    size_t bytes = 20000;
    char *value = mid_alloc(rq, bytes + 1);
    memset(value, 'x', bytes);
    value[bytes] = '\0';
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set(session, "first", "changed"));
    MID_TRY(mid_session_increment(session, "counter", 1));
    MID_TRY(mid_session_delete(session, "kept"));
    MID_TRY(mid_session_set(session, "long", value));
    MID_TRY(mid_session_commit(session));
    return mid_respond_empty(rq, 204);
}

/* More recorded than a commit may have. */
enum mid_error endless_operations_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    for (int i = 0; i < 100000; i++)
        MID_TRY(mid_session_increment(session, "counter", 1));
    return mid_respond_empty(rq, 204);
}

enum mid_error fail_after_commit_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set(session, "committed", "yes"));
    MID_TRY(mid_session_commit(session));
    MID_TRY(mid_session_set(session, "dropped", "yes"));
    return mid_fail(rq, MID_FORBIDDEN, "refused after a commit");
}

enum mid_error fail_after_login_route(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_renew(session, "grace"));
    return mid_fail(rq, MID_FORBIDDEN, "refused after the login");
}

/* Each line: what was asked, and the answer. */
enum mid_error answers_route(struct mid_request *rq)
{
    struct mid_session *session;
    bool was_set[5];
    const char *taken;
    const char *taken_again;
    const char *left;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_set_if_absent(session, "flash", "first", &was_set[0]));
    MID_TRY(mid_session_set_if_absent(session, "flash", "second", &was_set[1]));
    MID_TRY(mid_session_compare_and_set(session, "flash", "other", "third", &was_set[2]));
    MID_TRY(mid_session_compare_and_set(session, "flash", "first", "fourth", &was_set[3]));
    MID_TRY(mid_session_compare_and_set(session, "absent", "", "fifth", &was_set[4]));
    MID_TRY(mid_session_take(session, "flash", &taken));
    MID_TRY(mid_session_take(session, "flash", &taken_again));
    MID_TRY(mid_session_get(session, "flash", &left));
    return mid_respond_text(rq, 200,
                            mid_printf(rq, "%d %d %d %d %d %s %s %s\n", was_set[0], was_set[1], was_set[2], was_set[3],
                                       was_set[4], taken, taken_again != NULL ? taken_again : "nothing",
                                       left != NULL ? left : "nothing"));
}

/* What is recorded is seen before the commit, and what others did after a refresh. */
enum mid_error view_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t before;
    int64_t recorded;
    const char *tail;
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_get_int(session, "counter", 0, &before));
    MID_TRY(mid_session_increment(session, "counter", 10));
    MID_TRY(mid_session_append(session, "tail", "abcdef", 4));
    MID_TRY(mid_session_get_int(session, "counter", 0, &recorded));
    MID_TRY(mid_session_get(session, "tail", &tail));
    return mid_respond_text(rq, 200, mid_printf(rq, "%" PRId64 " %" PRId64 " %s\n", before, recorded, tail));
}

/* -------------------- Redis -------------------- */

enum { WORDS_MAX = 16 };

static const char *describe(struct mid_request *rq, const struct mid_redis_value *value)
{
    char *text;
    switch (value->type) {
    case MID_REDIS_INTEGER:
        return mid_printf(rq, "%" PRId64, value->integer);
    case MID_REDIS_TEXT:
        return mid_printf(rq, "%zu:%s", value->bytes, value->text);
    case MID_REDIS_ERROR:
        return mid_printf(rq, "error %s", value->text);
    case MID_REDIS_LIST:
        text = mid_printf(rq, "[");
        for (size_t i = 0; i < value->count; i++)
            text = mid_printf(rq, "%s%s%s", text, i > 0 ? " " : "", describe(rq, &value->elements[i]));
        return mid_printf(rq, "%s]", text);
    case MID_REDIS_NIL:
        break;
    }
    return "nil";
}

/* The body is a command, an argument per line. */
enum mid_error redis_route(struct mid_request *rq)
{
    struct mid_redis_argument arguments[WORDS_MAX];
    const struct mid_redis_value *value;
    const char *body;
    size_t bytes;
    size_t count = 0;
    MID_TRY(mid_body_all(rq, 64 * 1024, &body, &bytes));
    for (const char *at = body; *at != '\0' && count < WORDS_MAX; count++) {
        arguments[count] = (struct mid_redis_argument){at, strcspn(at, "\n")};
        at += arguments[count].bytes;
        at += *at == '\n';
    }
    MID_TRY(mid_redis_command(rq, count, arguments, &value));
    return mid_respond_text(rq, 200, describe(rq, value));
}

/* What is written is read as it was, whatever its bytes. */
enum mid_error redis_bytes_route(struct mid_request *rq)
{
    static const char bytes[] = "a\0b\r\n\xff";
    const struct mid_redis_value *value;
    MID_TRY(mid_redis_command(
        rq, 3, (struct mid_redis_argument[]){{"SET", 3}, {"app:bytes", 9}, {bytes, sizeof(bytes)}}, &value));
    MID_TRY(mid_redis_command(rq, 2, (struct mid_redis_argument[]){{"GET", 3}, {"app:bytes", 9}}, &value));
    bool is_same = value->bytes == sizeof(bytes) && memcmp(value->text, bytes, sizeof(bytes)) == 0;
    return mid_respond_text(rq, 200, is_same ? "the same" : "others");
}
