/*
 * Redis as a URL, as other programs and hosts of Redis write it:
 *
 *     redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]
 *     redis+cluster://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...]
 *     redis+sentinel://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...]/MASTER[/DATABASE]
 *     unix://[USER[:PASSWORD]@]/PATH[?db=DATABASE]
 *
 * (the IANA schemes "redis" and "rediss", and those of other clients; with TLS they begin with "rediss".) What is
 * percent-encoded is decoded (RFC 3986, 2.1).
 */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "redis/address.h"
#include "redis/sentinel.h"

enum {
    REDIS_USER_BYTES_MAX = 255,
    REDIS_URL_PASSWORD_BYTES_MAX = 510,
    REDIS_DATABASE_MAX = 65535,
    REDIS_PORT = 6379, /* without another one */
    REDIS_ADDRESS_BYTES = REDIS_SENTINELS_MAX * (REDIS_HOST_LENGTH_MAX + sizeof("[]:65535")),
};

struct redis_url {
    char address[REDIS_ADDRESS_BYTES];    /* as redis_address_parse() takes it; of Sentinels or a cluster, a list */
    char master[REDIS_MASTER_NAME_BYTES]; /* its name with the Sentinels; "": there are none */
    char user[REDIS_USER_BYTES_MAX + 1];  /* "": none */
    char password[REDIS_URL_PASSWORD_BYTES_MAX + 1]; /* "": none. The caller wipes it. */
    int database;                                    /* -1: not said */
    bool is_tls;
    bool is_cluster;
};

/* Whether the text is one, rather than an address: it has "://". */
bool redis_url_is(const char *text);

/* Whether a URL, which may be malformed otherwise, has a password in it. */
bool redis_url_has_password(const char *text);

/* False with a sentence in `reason` (NUL-terminated, cut at its size), which shows nothing of the text but its scheme:
 * there may be a password in it. `url` is wiped then. */
bool redis_url_parse(const char *text, struct redis_url *url, char *reason, size_t reason_size);

#endif
