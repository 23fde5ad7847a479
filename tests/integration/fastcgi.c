/* FastCGI by hand. See fastcgi.h; FastCGI 1.0, sections 3.3 to 5.5. */
#include "fastcgi.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi/record_filter.h"
#include "support/process.h"

enum { PATIENCE_MS = 15000 };

/* -------------------- bytes -------------------- */

void fastcgi_record(struct buffer *out, int type, int id, const void *content, size_t bytes)
{
    uint8_t header[RECORD_HEADER_BYTES] = {1,           (uint8_t)type,         (uint8_t)(id >> 8),
                                           (uint8_t)id, (uint8_t)(bytes >> 8), (uint8_t)bytes};
    buffer_append(out, (const char *)header, sizeof(header));
    if (bytes > 0)
        buffer_append(out, content, bytes);
}

void fastcgi_begin(struct buffer *out, int id, int role, int flags)
{
    uint8_t body[8] = {(uint8_t)(role >> 8), (uint8_t)role, (uint8_t)flags};
    fastcgi_record(out, RECORD_BEGIN_REQUEST, id, body, sizeof(body));
}

static void put_length(struct buffer *out, size_t length)
{
    uint8_t field[4] = {(uint8_t)(length >> 24 | 0x80), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                        (uint8_t)length};
    if (length < 0x80)
        buffer_append(out, (const char *)field + 3, 1);
    else
        buffer_append(out, (const char *)field, 4);
}

void fastcgi_pair(struct buffer *out, const char *name, const char *value)
{
    put_length(out, strlen(name));
    put_length(out, strlen(value));
    buffer_append_text(out, name);
    buffer_append_text(out, value);
}

void fastcgi_get(struct buffer *out, const char *path, const char *cookie, int flags)
{
    struct buffer pairs = {0};
    fastcgi_pair(&pairs, "REQUEST_METHOD", "GET");
    fastcgi_pair(&pairs, "REQUEST_URI", path);
    if (cookie != NULL)
        fastcgi_pair(&pairs, "HTTP_COOKIE", cookie);
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, flags);
    fastcgi_record(out, RECORD_PARAMS, 1, pairs.data, pairs.length);
    fastcgi_record(out, RECORD_PARAMS, 1, NULL, 0);
    fastcgi_record(out, RECORD_STDIN, 1, NULL, 0);
    buffer_fini(&pairs);
}

void fastcgi_post(struct buffer *out, const char *path, const char *body, const char *length, int flags)
{
    struct buffer pairs = {0};
    fastcgi_pair(&pairs, "REQUEST_METHOD", "POST");
    fastcgi_pair(&pairs, "REQUEST_URI", path);
    fastcgi_pair(&pairs, "CONTENT_LENGTH", length);
    fastcgi_begin(out, 1, FASTCGI_RESPONDER, flags);
    fastcgi_record(out, RECORD_PARAMS, 1, pairs.data, pairs.length);
    fastcgi_record(out, RECORD_PARAMS, 1, NULL, 0);
    fastcgi_record(out, RECORD_STDIN, 1, body, strlen(body));
    fastcgi_record(out, RECORD_STDIN, 1, NULL, 0);
    buffer_fini(&pairs);
}

void fastcgi_pad(struct buffer *out, const struct buffer *records, uint8_t padding)
{
    char zeros[256] = {0};
    for (size_t at = 0; at < records->length;) {
        const uint8_t *header = (const uint8_t *)records->data + at;
        size_t bytes = (size_t)RECORD_HEADER_BYTES + (size_t)(header[4] << 8 | header[5]);
        buffer_append(out, records->data + at, bytes);
        out->data[out->length - bytes + 6] = (char)padding;
        buffer_append(out, zeros, padding);
        at += bytes;
    }
}

/* -------------------- sockets -------------------- */

static struct sockaddr_un name_of(const char *socket_path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    cr_assert(strlen(socket_path) < sizeof(name.sun_path));
    strcpy(name.sun_path, socket_path);
    return name;
}

struct connecting {
    int fd;
    struct sockaddr_un name;
};

/* A server that starts binds its socket, so that the file is there, and listens a moment later; until then it refuses.
 */
static bool is_connected(void *arg)
{
    struct connecting *connecting = arg;
    return connect(connecting->fd, (struct sockaddr *)&connecting->name, sizeof(connecting->name)) == 0 ||
           (errno != ECONNREFUSED && errno != ENOENT);
}

int fastcgi_connect(const char *socket_path)
{
    enum { LISTEN_MS = 5000 };
    struct connecting connecting = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .name = name_of(socket_path)};
    struct sockaddr_un peer;
    socklen_t size = sizeof(peer);
    cr_assert(connecting.fd >= 0 && wait_until(is_connected, &connecting, LISTEN_MS) &&
                  getpeername(connecting.fd, (struct sockaddr *)&peer, &size) == 0,
              "%s: %s", socket_path, strerror(errno));
    return connecting.fd;
}

/* The other side may close before it has taken everything; that is for the test to see when it reads. */
void fastcgi_write(int fd, const struct buffer *bytes)
{
    size_t at = 0;
    while (at < bytes->length) {
        ssize_t sent = send(fd, bytes->data + at, bytes->length - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return;
        at += sent > 0 ? (size_t)sent : 0;
    }
}

/* False at the end of the connection; the time without bytes ends the test. */
static bool read_exactly(int fd, void *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        struct pollfd wish = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&wish, 1, PATIENCE_MS), 1, "nothing came, and no end either");
        ssize_t got = recv(fd, (char *)data + at, bytes - at, 0);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* One record; its id and content go to where that is not NULL. */
static bool read_whole_record(int fd, int *type, int *id, struct buffer *content)
{
    uint8_t header[RECORD_HEADER_BYTES];
    if (!read_exactly(fd, header, sizeof(header)))
        return false;
    *type = header[1];
    if (id != NULL)
        *id = header[2] << 8 | header[3];
    size_t bytes = (size_t)(header[4] << 8 | header[5]);
    char dropped[65536 + 256];
    if (!read_exactly(fd, dropped, bytes + header[6]))
        return false;
    if (content != NULL)
        buffer_append(content, dropped, bytes);
    return true;
}

static bool read_record(int fd, int *type, struct buffer *content)
{
    return read_whole_record(fd, type, NULL, content);
}

struct fastcgi_raw_record fastcgi_read_raw(int fd)
{
    struct fastcgi_raw_record record = {0};
    cr_assert(read_whole_record(fd, &record.type, &record.id, &record.content), "the connection ended");
    return record;
}

bool fastcgi_has_answer(int fd, int timeout_ms)
{
    struct pollfd wish = {.fd = fd, .events = POLLIN};
    return poll(&wish, 1, timeout_ms) == 1;
}

struct fastcgi_answer fastcgi_read_answer(int fd)
{
    struct fastcgi_answer answer = {0};
    while (!answer.has_end && !answer.is_closed) {
        int type = 0;
        struct buffer content = {0};
        answer.is_closed = !read_record(fd, &type, &content);
        answer.has_end = type == RECORD_END_REQUEST;
        if (type == RECORD_STDOUT && content.length > 0)
            buffer_append(&answer.out, content.data, content.length);
        buffer_fini(&content);
    }
    buffer_append(&answer.out, "", 1);
    return answer;
}

void fastcgi_answer_fini(struct fastcgi_answer *answer)
{
    buffer_fini(&answer->out);
}

bool fastcgi_is_closed(int fd)
{
    char byte;
    struct pollfd wish = {.fd = fd, .events = POLLIN};
    return poll(&wish, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

int fastcgi_listen(const char *socket_path)
{
    struct sockaddr_un name = name_of(socket_path);
    unlink(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 16) == 0, "%s: %s",
              socket_path, strerror(errno));
    cr_assert_eq(chmod(socket_path, 0777), 0);
    return fd;
}

int fastcgi_accept(int listen_fd, bool reads_last_record)
{
    struct pollfd wish = {.fd = listen_fd, .events = POLLIN};
    cr_assert_eq(poll(&wish, 1, PATIENCE_MS), 1, "nginx does not connect");
    int fd = accept(listen_fd, NULL, NULL);
    cr_assert_geq(fd, 0);
    for (;;) {
        uint8_t header[RECORD_HEADER_BYTES];
        wish.fd = fd;
        cr_assert_eq(poll(&wish, 1, PATIENCE_MS), 1, "nginx does not send its request");
        cr_assert_eq(recv(fd, header, sizeof(header), MSG_PEEK | MSG_WAITALL), RECORD_HEADER_BYTES);
        bool is_last = header[1] == RECORD_STDIN && header[4] == 0 && header[5] == 0;
        if (is_last && !reads_last_record)
            return fd;
        int type;
        cr_assert(read_record(fd, &type, NULL));
        if (is_last)
            return fd;
    }
}
