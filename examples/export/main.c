/*
 * An export that only those who are logged in may download, line by line, however long it is. Logging out ends
 * downloads that are under way. Passwords are not this example's subject: it takes a token from the environment.
 *
 *     EXPORT_TOKEN=secret midstream-run ./export
 *     curl -c jar -d token=secret URL/login; curl -N -b jar URL/export/2026
 */
#include <midstream.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 1000 };

/* Takes as long whether much of it is right, or little. */
static bool is_same(const char *a, const char *b)
{
    size_t length = strlen(a);
    unsigned char difference = length != strlen(b);
    for (size_t i = 0; i < length && b[i] != '\0'; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* Before each handler that needs it. */
static enum mid_error require_login(struct mid_request *rq)
{
    return mid_require_login(rq, -1, NULL);
}

static enum mid_error login(struct mid_request *rq)
{
    const char *wanted = getenv("EXPORT_TOKEN");
    const char *token;
    struct mid_session *session;
    mid_allow_missing_origin(rq); /* programs log in here as well as browsers, and it is the token that counts */
    MID_TRY(mid_form(rq, "token", &token));
    if (wanted == NULL || token == NULL || !is_same(token, wanted))
        return mid_fail(rq, MID_FORBIDDEN, "this is not the token");
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_session_renew(session, "exporter"));
    return mid_redirect(rq, 0, "/export/2026");
}

static enum mid_error logout(struct mid_request *rq)
{
    struct mid_session *session;
    MID_TRY(mid_session_open(rq, &session));
    enum mid_error error = mid_session_destroy(session);
    return error == MID_OK || error == MID_ENDED ? mid_respond_empty(rq, 204) : error;
}

/* The session is asked at each line, so that a logout is noticed at the next one. */
static enum mid_error export_year(struct mid_request *rq)
{
    struct mid_session *session;
    const char *name = mid_printf(rq, "attachment; filename=\"%s.csv\"", mid_param(rq, "year"));
    MID_TRY(mid_set_header(rq, "Content-Disposition", name));
    MID_TRY(mid_session_open(rq, &session));
    MID_TRY(mid_stream_begin(rq, 200, "text/csv; charset=utf-8"));
    for (int line = 1; line <= LINES; line++) {
        MID_TRY(mid_stream_printf(rq, "%d,%s\n", line, mid_param(rq, "year")));
        MID_TRY(mid_session_set_int(session, "exported", line));
        MID_TRY(mid_session_commit(session));
        MID_TRY(mid_sleep_ms(rq, 10));
    }
    return MID_OK;
}

static const struct mid_route routes[] = {
    MID_POST("/login", login),
    MID_POST("/logout", logout),
    MID_GET("/export/{year}", export_year, .before = require_login),
    {0},
};

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
