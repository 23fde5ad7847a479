/* The inside of struct redis_tls, shared by tls.c and tls_channel.c. */
#ifndef REDIS_TLS_CONTEXT_H
#define REDIS_TLS_CONTEXT_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <openssl/types.h>

#include "redis/tls.h"

enum { TLS_FILES = 3 };

/* By which a file is known to have changed. */
struct file_mark {
    ino_t inode;
    off_t size;
    struct timespec time; /* of the last change of contents, name, owner or mode */
};

struct redis_tls {
    struct redis_tls_options options;
    SSL_CTX *context;
    struct file_mark marks[TLS_FILES];
    bool is_outdated;    /* the files have changed, and could not be used */
    int64_t told_ms;     /* when that was last logged; 0: not since they could be */
    unsigned generation; /* counts the contexts: sessions of an old one are not resumed */
};

/* Reads the files again if they have changed. */
void redis_tls_refresh(struct redis_tls *tls);

/* tls_channel.c: the sessions of this context's connections are kept by their channels. */
void redis_tls_keep_sessions(SSL_CTX *context);

#endif
