/*
 * The session's cookie, of the request and of the response.
 */
#ifndef SESSION_COOKIE_H
#define SESSION_COOKIE_H

#include <stdbool.h>

#include "keys/keyring.h"

struct mid_request;
struct mid_session;

struct cookie_settings {
    const struct keyring *keyring; /* stays the caller's */
    bool is_secure;                /* __Host-mid, with Secure; otherwise mid */
    bool is_persistent;            /* it has a Max-Age */
    const char *same_site;         /* "Lax", "Strict" or "None"; stays the caller's */
    const char *logout_clears;     /* "cache,storage"; NULL: nothing besides the cookie. The same. */
};

void session_cookie_init(const struct cookie_settings *settings);

/* The request has a cookie of the session's name, genuine or not. */
bool session_cookie_was_sent(const struct mid_request *rq);

/* Reads the cookie of the session's request: the session is SESSION_CLAIMED or SESSION_ABSENT then. */
void session_read_cookie(struct mid_session *session);

/* Adds to the head the cookie that has to go out with it, if there is one. */
void session_put_cookie(struct mid_session *session);

#endif
