/*
 * FastCGI by hand: what nginx would send to a worker, and what nobody should; and the worker's side, for what nginx
 * does with it.
 */
#ifndef INTEGRATION_FASTCGI_H
#define INTEGRATION_FASTCGI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

enum { FASTCGI_RESPONDER = 1, FASTCGI_KEEP = 1 };

/* -------------------- bytes -------------------- */

void fastcgi_record(struct buffer *out, int type, int id, const void *content, size_t bytes);
void fastcgi_begin(struct buffer *out, int id, int role, int flags);

/* A name-value pair, as the content of PARAMS records has it. */
void fastcgi_pair(struct buffer *out, const char *name, const char *value);

/* A whole GET request; `cookie` may be NULL. */
void fastcgi_get(struct buffer *out, const char *path, const char *cookie, int flags);

/* A whole POST request; `length` is its CONTENT_LENGTH, whatever the body has. */
void fastcgi_post(struct buffer *out, const char *path, const char *body, const char *length, int flags);

/* The same records, each with so many bytes of padding. */
void fastcgi_pad(struct buffer *out, const struct buffer *records, uint8_t padding);

/* -------------------- playing the web server -------------------- */

/* Connects to the unix socket; ends the test when that fails. */
int fastcgi_connect(const char *socket_path);
void fastcgi_write(int fd, const struct buffer *bytes);

struct fastcgi_answer {
    struct buffer out; /* what the STDOUT records hold, with a NUL behind */
    bool has_end;      /* END_REQUEST came */
    bool is_closed;    /* the connection ended instead */
};

/* Reads until END_REQUEST or the end of the connection; ends the test after a while without either. */
struct fastcgi_answer fastcgi_read_answer(int fd);
void fastcgi_answer_fini(struct fastcgi_answer *answer);

/* The next record as it is; ends the test when none comes. The content is the caller's. */
struct fastcgi_raw_record {
    int type;
    int id;
    struct buffer content;
};
struct fastcgi_raw_record fastcgi_read_raw(int fd);

/* Whether something can be read, or comes within so long. */
bool fastcgi_has_answer(int fd, int timeout_ms);

/* Whether the other side closes or resets the connection. */
bool fastcgi_is_closed(int fd);

/* -------------------- playing the worker -------------------- */

/* Listens on the path, which nginx, of whatever user, may connect to. */
int fastcgi_listen(const char *socket_path);

/* Accepts a connection and reads its request up to and with the empty STDIN record, or just up to it. */
int fastcgi_accept(int listen_fd, bool reads_last_record);

#endif
