/*
 * TLS to Redis, by OpenSSL on the socket's own descriptor, which never blocks.
 *
 * A context has what is trusted and who we are; it is made before the workers are forked, so that they share its
 * memory. A channel is TLS with one server over its successive connections, and resumes the session of the last one
 * (RFC 8446, 2.2). When files have changed since they were read (certificates were renewed), the next connection reads
 * them again; not so the files of a directory, and those of the system.
 *
 * The certificate of the server is verified against the name in the URL (RFC 9525), unless the options say otherwise.
 */
#ifndef REDIS_TLS_H
#define REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct redis_tls;
struct redis_tls_channel;

struct redis_tls_options {
    const char *ca;          /* PEM file, or directory of openssl-rehash(1); NULL: those of the system */
    const char *certificate; /* PEM file, the chain behind it; NULL: none */
    const char *key;         /* PEM file; with `certificate`, and only with it */
    const char *name;        /* of the server; NULL: the host to which it connects */
    bool is_unverified;      /* any certificate will do */
};

/* Reads the files. NULL with a sentence in `reason` that names file and setting. The options' texts stay the caller's,
 * and outlive the context. */
struct redis_tls *redis_tls_new(const struct redis_tls_options *options, char *reason, size_t reason_size);
void redis_tls_free(struct redis_tls *tls); /* NULL is fine */

/* -------------------- one server -------------------- */

/* The context outlives the channel. `host` is copied: what the certificate has to name. */
struct redis_tls_channel *redis_tls_channel_new(struct redis_tls *tls, const char *host);
/* The next connection is to that host: if it is another one, no session of the last one is resumed. */
void redis_tls_channel_expect(struct redis_tls_channel *channel, const char *host);
void redis_tls_channel_free(struct redis_tls_channel *channel); /* NULL is fine */

/* For a new connection, whose descriptor stays the caller's. */
void redis_tls_begin(struct redis_tls_channel *channel, int fd);
void redis_tls_end(struct redis_tls_channel *channel); /* nothing when none was begun */

enum redis_tls_result {
    REDIS_TLS_DONE,
    REDIS_TLS_WANTS_READ,  /* again when the descriptor is readable */
    REDIS_TLS_WANTS_WRITE, /* again when it is writable */
    REDIS_TLS_CLOSED,      /* by the server */
    REDIS_TLS_FAILED,      /* redis_tls_reason() says why */
};

enum redis_tls_result redis_tls_handshake(struct redis_tls_channel *channel);

/* DONE: *count bytes, at least one. */
enum redis_tls_result redis_tls_read(struct redis_tls_channel *channel, void *bytes, size_t size, size_t *count);
enum redis_tls_result redis_tls_write(struct redis_tls_channel *channel, const void *bytes, size_t size, size_t *count);

/* Whether there is more to read that the descriptor does not report, because it was read already. */
bool redis_tls_has_more(const struct redis_tls_channel *channel);

/* A sentence about the last failure; valid until the next call. */
const char *redis_tls_reason(const struct redis_tls_channel *channel);

/* "TLSv1.3" after the handshake, and whether it resumed a session; "none" and false without a connection. */
const char *redis_tls_version(const struct redis_tls_channel *channel);
bool redis_tls_is_resumed(const struct redis_tls_channel *channel);

#endif
