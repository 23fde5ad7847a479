/*
 * The session's cookie: in with a request, out with a head.
 *
 * A cookie that is not genuine never reaches Redis. Two of the name are none: somebody else has set one of them.
 */
#include "session/cookie.h"

#include <string.h>

#include "http/cookie.h"
#include "http/request.h"
#include "http/response.h"
#include "session/session.h"

static struct cookie_settings settings;

void session_cookie_init(const struct cookie_settings *cookie_settings)
{
    settings = *cookie_settings;
}

const struct keyring *session_keyring(void)
{
    return settings.keyring;
}

static const char *cookie_name(void)
{
    return settings.is_secure ? COOKIE_OF_SESSION_SECURE : COOKIE_OF_SESSION;
}

/* -------------------- in -------------------- */

/* How many session cookies the request has; the first one's value. */
static int find_cookie(const struct mid_request *rq, const char **value, size_t *length)
{
    int count = 0;
    const char *line;
    for (int k = 0; (line = request_param_line(rq, "HTTP_COOKIE", k)) != NULL; k++) {
        const char *found;
        size_t found_length;
        int in_line = cookie_find(line, cookie_name(), &found, &found_length);
        if (in_line > 0 && count == 0) {
            *value = found;
            *length = found_length;
        }
        count += in_line;
    }
    return count;
}

bool session_cookie_was_sent(const struct mid_request *rq)
{
    const char *value;
    size_t length;
    return find_cookie(rq, &value, &length) > 0;
}

void session_read_cookie(struct mid_session *session)
{
    const char *value = NULL;
    size_t length = 0;
    int count = find_cookie(session->rq, &value, &length);
    if (count == 0) {
        session_become_absent(session);
        return;
    }
    struct token token;
    enum token_verdict verdict = TOKEN_MALFORMED; /* also two of a name: somebody else has set one */
    if (count == 1)
        verdict = token_verify(value, length, settings.keyring, cookie_name(), &token);
    session_count_cookie(verdict);
    if (verdict != TOKEN_VALID && verdict != TOKEN_VALID_OLD_KEY) {
        request_log(session->rq, MID_INFO, "cookie.rejected", "verdict=%s count=%d", token_verdict_name(verdict),
                    count);
        session_become_absent(session);
        return;
    }
    session->state = SESSION_CLAIMED;
    session->generation = token.generation;
    session->must_send_cookie = verdict == TOKEN_VALID_OLD_KEY;
    session_set_rid(session, token.rid);
}

/* -------------------- out -------------------- */

/* `max_age_s` -1: as long as the browser is open. */
static void put_cookie(struct mid_session *session, const char *value, int64_t max_age_s)
{
    struct mid_request *rq = session->rq;
    const char *age = max_age_s >= 0 ? arena_printf(&rq->arena, "Max-Age=%lld; ", (long long)max_age_s) : "";
    response_set_cookie(rq, arena_printf(&rq->arena, "%s=%s; Path=/; %sHttpOnly; %sSameSite=%s", cookie_name(), value,
                                         age, settings.is_secure ? "Secure; " : "", settings.same_site));
    response_set_field(rq, "Cache-Control", "no-store"); /* nobody else may get it */
}

static void put_signed_cookie(struct mid_session *session)
{
    struct token token = {.generation = session->generation};
    memcpy(token.rid, session->rid, TOKEN_RID_BYTES);
    char text[TOKEN_TEXT_LENGTH + 1];
    token_sign(&token, settings.keyring, cookie_name(), text);
    put_cookie(session, text, settings.is_persistent ? store_absolute_ms(&session->header) / 1000 : -1);
}

/* "cache", "storage" (W3C Clear Site Data, 3.1), unless the handler says otherwise. */
static void put_clear(struct mid_request *rq)
{
    const char *list = "";
    for (const char *at = settings.logout_clears; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, ",");
        list = arena_printf(&rq->arena, "%s%s\"%.*s\"", list, list[0] != '\0' ? ", " : "", (int)length, at);
        at += length + (at[length] == ',');
    }
    if (list[0] != '\0')
        response_set_default(rq, "Clear-Site-Data", list);
}

void session_put_cookie(struct mid_session *session)
{
    if (session->must_send_cookie && session->state == SESSION_LIVE)
        session_exchange(session); /* a task, say, has renewed it since */
    if (session->must_clear_cookie) {
        put_cookie(session, "", 0);
        put_clear(session->rq);
    } else if (session->must_send_cookie && session->state == SESSION_LIVE && /* compared with the record */
               session->generation == session->header.generation) { /* and not renewed since by another request */
        put_signed_cookie(session);
    }
}
