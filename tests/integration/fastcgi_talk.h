/*
 * A conversation with a worker in FastCGI, record by record.
 */
#ifndef INTEGRATION_FASTCGI_TALK_H
#define INTEGRATION_FASTCGI_TALK_H

#include "fastcgi.h"
#include "site.h"

/* A site, a connection to its worker, and what is about to be sent on it. */
struct talk {
    struct site site;
    char *socket_path;
    int fd;
    struct buffer bytes;
};

struct talk talk_open(const char *const settings[]);
void talk_close(struct talk *talk);

/* Sends what was gathered. */
void say(struct talk *talk);

/* The next record is that one. */
void expect_record(struct talk *talk, int type, int id, const void *content, size_t bytes);

/* A complete response with this text in it. */
void expect_answer(struct talk *talk, const char *text);
#define null_answer "Status: 200 OK\r\n"

/* The parameters of GET /null, and one more, or NULL. */
void put_params(struct buffer *out, const char *extra_name, const char *extra_value);

/* A whole request. */
void put_get(struct buffer *out, const char *path, int flags);

#endif
