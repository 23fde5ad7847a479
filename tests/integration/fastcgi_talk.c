/* A conversation with a worker in FastCGI. See fastcgi_talk.h. */
#include "fastcgi_talk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/record_filter.h"

static const char *const good_params[][2] = {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/null"}};

void put_params(struct buffer *out, const char *extra_name, const char *extra_value)
{
    struct buffer pairs = {0};
    for (size_t i = 0; i < 2; i++)
        fastcgi_pair(&pairs, good_params[i][0], good_params[i][1]);
    if (extra_name != NULL)
        fastcgi_pair(&pairs, extra_name, extra_value);
    for (size_t at = 0; at < pairs.length; at += 65535) {
        size_t bytes = pairs.length - at < 65535 ? pairs.length - at : 65535;
        fastcgi_record(out, RECORD_PARAMS, 1, pairs.data + at, bytes);
    }
    buffer_fini(&pairs);
}

struct talk talk_open(const char *const settings[])
{
    struct talk talk = {.site = site_open_app(settings)};
    talk.socket_path = text_printf("%s/worker-0.sock", talk.site.stack->dir);
    talk.fd = fastcgi_connect(talk.socket_path);
    return talk;
}

void talk_close(struct talk *talk)
{
    close(talk->fd);
    buffer_fini(&talk->bytes);
    free(talk->socket_path);
    site_close(&talk->site);
}

void say(struct talk *talk)
{
    fastcgi_write(talk->fd, &talk->bytes);
    talk->bytes.length = 0;
}

void expect_record(struct talk *talk, int type, int id, const void *content, size_t bytes)
{
    struct fastcgi_raw_record record = fastcgi_read_raw(talk->fd);
    cr_expect_eq(record.type, type, "type %d, not %d", record.type, type);
    cr_expect_eq(record.id, id, "id %d, not %d", record.id, id);
    cr_expect(record.content.length == bytes && (bytes == 0 || memcmp(record.content.data, content, bytes) == 0),
              "%zu bytes of other content", record.content.length);
    buffer_fini(&record.content);
}

void expect_answer(struct talk *talk, const char *text)
{
    struct fastcgi_answer answer = fastcgi_read_answer(talk->fd);
    cr_expect(answer.has_end && strstr(answer.out.data, text) != NULL, "not \"%s\", but: %s", text, answer.out.data);
    fastcgi_answer_fini(&answer);
}

void put_get(struct buffer *out, const char *path, int flags)
{
    fastcgi_get(out, path, NULL, flags);
}
