/* A visitor. See visitor.h. */
#include "visitor.h"

#include <sodium.h>
#include <string.h>

#include "app/journal.h"
#include "session/token.h"

enum { REFUSALS_MAX = 3 };

void visitor_init(struct visitor *visitor)
{
    *visitor = (struct visitor){.cookie = cookie_none(), .before = cookie_none()};
    pthread_mutex_init(&visitor->mutex, NULL);
}

struct cookie cookie_none(void)
{
    return (struct cookie){.rid = "-"};
}

bool cookie_read(struct cookie *cookie, const char *value)
{
    unsigned char token[TOKEN_BYTES];
    size_t bytes = 0;
    size_t length = strcspn(value, ";");
    *cookie = cookie_none();
    if (length >= COOKIE_BYTES || sodium_base642bin(token, sizeof(token), value, length, NULL, &bytes, NULL,
                                                    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return false;
    if (bytes != sizeof(token))
        return false;
    memcpy(cookie->value, value, length);
    sodium_bin2hex(cookie->rid, sizeof(cookie->rid), token + 2, TOKEN_RID_BYTES); /* behind version and key id */
    const unsigned char *generation = token + 2 + TOKEN_RID_BYTES;
    cookie->generation =
        (uint32_t)generation[0] << 24 | (uint32_t)generation[1] << 16 | (uint32_t)generation[2] << 8 | generation[3];
    return true;
}

struct cookie visitor_cookie(struct visitor *visitor)
{
    pthread_mutex_lock(&visitor->mutex);
    struct cookie cookie = visitor->cookie;
    pthread_mutex_unlock(&visitor->mutex);
    return cookie;
}

void visitor_count_marks(struct visitor *visitor, size_t marks)
{
    pthread_mutex_lock(&visitor->mutex);
    visitor->marks += marks;
    pthread_mutex_unlock(&visitor->mutex);
}

struct cookie visitor_due(struct visitor *visitor, size_t marks)
{
    struct cookie cookie = cookie_none();
    pthread_mutex_lock(&visitor->mutex);
    if (visitor->marks >= marks) {
        cookie = visitor->cookie;
        visitor->marks = 0;
    }
    pthread_mutex_unlock(&visitor->mutex);
    return cookie;
}

/* Under the mutex. */
static void give_up(struct visitor *visitor)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " - %s", visitor->cookie.rid);
    line_write(&line);
    visitor->cookie = visitor->before = cookie_none();
    visitor->user[0] = '\0';
    visitor->refusals = 0;
}

void visitor_give_up(struct visitor *visitor, const struct cookie *cookie)
{
    pthread_mutex_lock(&visitor->mutex);
    if (cookie->value[0] != '\0' && strcmp(visitor->cookie.value, cookie->value) == 0)
        give_up(visitor);
    pthread_mutex_unlock(&visitor->mutex);
}

void visitor_set_login(struct visitor *visitor, bool is_login)
{
    pthread_mutex_lock(&visitor->mutex);
    visitor->is_login = is_login;
    pthread_mutex_unlock(&visitor->mutex);
}

void visitor_hear(struct visitor *visitor, const struct cookie *sent, enum heard heard, const struct cookie *received,
                  const char *user)
{
    pthread_mutex_lock(&visitor->mutex);
    bool is_current = strcmp(visitor->cookie.value, sent->value) == 0;
    bool is_same_session = strcmp(visitor->cookie.rid, received->rid) == 0;
    if (!is_current) {
        pthread_mutex_unlock(&visitor->mutex);
        return;
    }
    if (sent->value[0] == '\0') { /* his first */
        visitor->cookie = *received;
    } else if (heard == HEARD_LOGOUT || (received->value[0] != '\0' && !is_same_session)) {
        give_up(visitor);
    } else if (received->value[0] != '\0' && received->generation > sent->generation) {
        visitor->before = visitor->cookie;
        visitor->cookie = *received;
        if (user != NULL)
            strcpy(visitor->user, user);
    } else if (heard == HEARD_ENDED && !visitor->is_login && ++visitor->refusals >= REFUSALS_MAX) {
        give_up(visitor);
    } else if (heard == HEARD_OK) {
        visitor->refusals = 0;
    }
    pthread_mutex_unlock(&visitor->mutex);
}
