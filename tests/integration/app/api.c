/* Options of routes, cookies, redirections, forms with files, and the application's start and end in each worker. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

enum { LONG_MS = 3600 * 1000, TEXT_MAX = 64 * 1024 };

/* -------------------- options of routes -------------------- */

enum mid_error before_user(struct mid_request *rq)
{
    const char *user = mid_header(rq, "X-User");
    if (user == NULL)
        return mid_fail(rq, MID_UNAUTHORIZED, "who is it?");
    return strcmp(user, "guest") == 0 ? mid_respond_text(rq, 200, "before\n") : MID_OK;
}

enum mid_error path_route(struct mid_request *rq)
{
    return mid_respond_text(rq, 200, mid_param(rq, "path"));
}

enum mid_error count_body_route(struct mid_request *rq)
{
    size_t all = 0;
    size_t got;
    char buffer[4096];
    do {
        MID_TRY(mid_body_read(rq, buffer, sizeof(buffer), &got));
        all += got;
    } while (got > 0);
    return mid_respond_printf(rq, 200, "text/plain", "%zu", all);
}

enum mid_error sleep_long_route(struct mid_request *rq)
{
    MID_TRY(mid_sleep_ms(rq, LONG_MS));
    return mid_respond_empty(rq, 204);
}

/* Whose session: "none", or how often it was counted. */
enum mid_error whose_route(struct mid_request *rq)
{
    struct mid_session *session;
    int64_t count = 0;
    MID_TRY(mid_set_header(rq, "Vary", "Accept-Language")); /* beside what the runtime says */
    if (mid_query(rq, "open") == NULL) {
        MID_TRY(mid_session_find(rq, &session));
        if (session == NULL)
            return mid_respond_text(rq, 200, "none");
    } else {
        MID_TRY(mid_session_open(rq, &session));
        MID_TRY(mid_session_increment(session, "counter", 1));
    }
    MID_TRY(mid_session_get_int(session, "counter", 0, &count));
    return mid_respond_printf(rq, 200, "text/plain", "%lld", (long long)count);
}

/* -------------------- cookies, redirections, addresses -------------------- */

enum mid_error cookie_route(struct mid_request *rq)
{
    const char *value = mid_cookie(rq, mid_param(rq, "name"));
    return value != NULL ? mid_respond_text(rq, 200, value) : MID_NOT_FOUND;
}

enum mid_error set_cookie_route(struct mid_request *rq)
{
    int64_t max_age_s;
    int64_t same_site;
    MID_TRY(mid_query_int(rq, "max_age", -10, INT64_MAX, 0, &max_age_s));
    MID_TRY(mid_query_int(rq, "same_site", 0, 2, 0, &same_site));
    MID_TRY(mid_set_cookie(rq, &(struct mid_cookie){
                                   .name = mid_query(rq, "name"),
                                   .value = mid_query(rq, "value"),
                                   .path = mid_query(rq, "path"),
                                   .domain = mid_query(rq, "domain"),
                                   .max_age_s = max_age_s,
                                   .same_site = (enum mid_same_site)same_site,
                                   .is_readable = mid_query(rq, "readable") != NULL,
                               }));
    return mid_respond_empty(rq, 204);
}

enum mid_error redirect_route(struct mid_request *rq)
{
    int64_t status;
    const char *to = mid_query(rq, "to");
    MID_TRY(mid_query_int(rq, "status", 0, 999, 0, &status));
    return mid_redirect(rq, (int)status, to != NULL ? to : "");
}

enum mid_error remote_route(struct mid_request *rq)
{
    return mid_respond_text(rq, 200, mid_remote_address(rq));
}

/* -------------------- forms with files -------------------- */

/* Lists the parts: "name [file] (type) bytes sum", each sum that of the part's bytes. */
enum mid_error parts_route(struct mid_request *rq)
{
    const char *list = "";
    const struct mid_part *part;
    int64_t piece;
    MID_TRY(mid_query_int(rq, "piece", 0, 4096, 4096, &piece)); /* 0: parts are not read */
    for (;;) {
        MID_TRY(mid_part_next(rq, &part));
        if (part == NULL)
            return mid_respond_text(rq, 200, list);
        unsigned char buffer[4096];
        size_t bytes = 0;
        size_t sum = 0;
        size_t got;
        do {
            MID_TRY(mid_part_read(rq, buffer, (size_t)piece, &got));
            for (size_t i = 0; i < got; i++)
                sum = (sum * 31 + buffer[i]) % 1000003;
            bytes += got;
        } while (got > 0);
        list =
            mid_printf(rq, "%s%s [%s] (%s) %zu %zu\n", list, part->name, part->filename != NULL ? part->filename : "-",
                       part->content_type != NULL ? part->content_type : "-", bytes, sum);
    }
}

/* The part of that name, whole. */
enum mid_error part_route(struct mid_request *rq)
{
    const struct mid_part *part;
    const char *data;
    size_t bytes;
    for (;;) {
        MID_TRY(mid_part_next(rq, &part));
        if (part == NULL)
            return MID_NOT_FOUND;
        if (strcmp(part->name, mid_param(rq, "name")) != 0)
            continue;
        MID_TRY(mid_part_all(rq, TEXT_MAX, &data, &bytes));
        return mid_respond(rq, 200, "application/octet-stream", data, bytes);
    }
}

/* -------------------- Redis -------------------- */

/* Keeps the body under the name, as it is, and answers what was there before. */
enum mid_error keep_route(struct mid_request *rq)
{
    const struct mid_redis_value *value;
    const char *data;
    size_t bytes;
    MID_TRY(mid_body_all(rq, TEXT_MAX, &data, &bytes));
    if (mid_query(rq, "wrong") != NULL)
        return mid_redis(rq, &value, "SET app:%y 1", 1);
    if (mid_query(rq, "block") != NULL)
        return mid_redis(rq, NULL, "BLPOP %s 0", "app:list");
    MID_TRY(mid_redis(rq, NULL, "HINCRBY app:kept %s %lld", mid_param(rq, "name"), 2ll));
    MID_TRY(mid_redis(rq, &value, "SET app:kept:%s %b GET", mid_param(rq, "name"), data, bytes));
    if (value->type == MID_REDIS_NIL)
        return mid_respond_empty(rq, 204);
    return mid_respond(rq, 200, "application/octet-stream", value->text, value->bytes);
}

/* -------------------- the application -------------------- */

static bool start_is(const char *how)
{
    const char *start = getenv("START");
    return start != NULL && strcmp(start, how) == 0;
}

/* Appends a line to the file that the test has named. */
__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    const char *path = getenv("NOTES");
    if (path == NULL)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    va_list list;
    va_start(list, format);
    vdprintf(fd, format, list);
    va_end(list);
    close(fd);
}

static void sleep_in_thread(void *arg)
{
    (void)arg;
    usleep(300 * 1000);
}

/* Is told that it has to end, and has something to do yet. */
static enum mid_error start_slowly(struct mid_request *rq)
{
    note("begun\n");
    enum mid_error error = mid_sleep_ms(rq, LONG_MS);
    (void)!mid_offload(rq, sleep_in_thread, NULL);
    note("given up: %s\n", mid_error_name(error));
    return error;
}

enum mid_error api_start(struct mid_request *rq, void *context)
{
    int *starts = context;
    ++*starts; /* in this process */
    mid_log(rq, MID_INFO, "app.start", "starts=%d same=%d", *starts, mid_context(rq) == context);
    if (start_is("fail"))
        return mid_fail(rq, MID_UNAVAILABLE, "the database is not there");
    if (start_is("slow"))
        return start_slowly(rq);
    (void)!mid_redis(rq, NULL, "INCR app:starts"); /* some tests have no Redis */
    return MID_OK;
}

/* Redis cannot be asked any more. */
void api_stop(void *context)
{
    const int *starts = context;
    note("%d %d\n", (int)getpid(), *starts);
}

enum mid_error context_route(struct mid_request *rq)
{
    const int *starts = mid_context(rq);
    return mid_respond_printf(rq, 200, "text/plain", "%d", *starts);
}
