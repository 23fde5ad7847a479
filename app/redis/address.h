/*
 * Where Redis listens: "unix:/path", "host:port" or "[ipv6]:port".
 */
#ifndef REDIS_ADDRESS_H
#define REDIS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    REDIS_HOST_LENGTH_MAX = 253, /* RFC 1035, 2.3.4, without the root's dot */
    REDIS_PATH_LENGTH_MAX = 107, /* of sun_path, without the NUL: unix(7) */
};

struct redis_address {
    bool is_unix;
    bool is_numeric;                      /* the host needs no name server */
    char host[REDIS_HOST_LENGTH_MAX + 1]; /* or the path of the socket; NUL-terminated, without brackets */
    int port;                             /* 0 for a unix socket */
};

/* Reads 1 to `max` addresses of hosts, with commas between. 0 with a sentence as below. */
size_t redis_address_parse_list(const char *text, struct redis_address list[], size_t max, char *reason,
                                size_t reason_size);

/* False with a sentence in `reason` (NUL-terminated, cut at its size) when the text is no such address. */
bool redis_address_parse(const char *text, struct redis_address *address, char *reason, size_t reason_size);

/* The same of a host and a port as Redis writes them, without brackets; the lengths are those of words in a longer
 * text. False: they are none. */
bool redis_address_join(const char *host, int host_length, const char *port, int port_length,
                        struct redis_address *address);

bool redis_address_is_same(const struct redis_address *a, const struct redis_address *b);

enum { REDIS_NAME_BYTES = REDIS_HOST_LENGTH_MAX + sizeof("[]:65535") };

/* As redis_address_parse() takes it. Returns `name`. */
const char *redis_address_name(const struct redis_address *address, char name[static REDIS_NAME_BYTES]);

#endif
