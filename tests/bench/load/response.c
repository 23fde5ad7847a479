/* An HTTP/1.1 response: lines until the empty one, then the body by its framing (RFC 9112, 6.3). */
#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void response_init(struct response *response)
{
    response->place = RESPONSE_AT_STATUS;
    response->status = 0;
    response->is_chunked = false;
    response->has_length = false;
    response->left_bytes = 0;
    response->line_length = 0;
    chunked_init(&response->chunked);
}

static enum response_result status_line(struct response *response)
{
    static const char version[] = "HTTP/1.1 ";
    if (strncmp(response->line, version, strlen(version)) != 0)
        return RESPONSE_BROKEN;
    response->status = atoi(response->line + strlen(version));
    response->place = RESPONSE_AT_FIELDS;
    return response->status >= 200 && response->status <= 599 ? RESPONSE_MORE : RESPONSE_BROKEN;
}

static enum response_result head_end(struct response *response)
{
    response->place = RESPONSE_AT_BODY;
    if (response->is_chunked)
        return RESPONSE_MORE;
    bool has_no_body = response->status == 204 || response->status == 304;
    if (!response->has_length && !has_no_body)
        return RESPONSE_BROKEN;
    if (response->left_bytes > 0 && !has_no_body)
        return RESPONSE_MORE;
    response->place = RESPONSE_AT_END;
    return RESPONSE_COMPLETE;
}

static enum response_result field_line(struct response *response, const struct response_reader *reader, void *arg)
{
    char *colon = strchr(response->line, ':');
    if (colon == NULL)
        return RESPONSE_BROKEN;
    *colon = '\0';
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    if (strcasecmp(response->line, "Transfer-Encoding") == 0)
        response->is_chunked = strcasecmp(value, "chunked") == 0;
    if (strcasecmp(response->line, "Content-Length") == 0) {
        response->has_length = true;
        response->left_bytes = strtoull(value, NULL, 10);
    }
    if (reader->on_field != NULL)
        reader->on_field(response->line, value, arg);
    return RESPONSE_MORE;
}

static enum response_result line_end(struct response *response, const struct response_reader *reader, void *arg)
{
    if (response->line_length > 0 && response->line[response->line_length - 1] == '\r')
        response->line_length--;
    response->line[response->line_length] = '\0';
    bool is_empty = response->line_length == 0;
    response->line_length = 0;
    if (response->place == RESPONSE_AT_STATUS)
        return status_line(response);
    return is_empty ? head_end(response) : field_line(response, reader, arg);
}

static void line_byte(struct response *response, char c)
{
    if (response->line_length < RESPONSE_LINE_MAX - 1)
        response->line[response->line_length++] = c;
}

static enum response_result body_with_length(struct response *response, const char *data, size_t bytes,
                                             const struct response_reader *reader, void *arg)
{
    if (bytes > response->left_bytes)
        return RESPONSE_BROKEN;
    response->left_bytes -= bytes;
    if (reader->on_body != NULL)
        reader->on_body(data, bytes, arg);
    if (response->left_bytes > 0)
        return RESPONSE_MORE;
    response->place = RESPONSE_AT_END;
    return RESPONSE_COMPLETE;
}

static enum response_result body_chunked(struct response *response, const char *data, size_t bytes,
                                         const struct response_reader *reader, void *arg)
{
    for (;;) {
        struct chunked_part part;
        switch (chunked_next(&response->chunked, &data, &bytes, &part)) {
        case CHUNKED_PART:
            if (reader->on_body != NULL)
                reader->on_body(part.data, part.bytes, arg);
            break;
        case CHUNKED_MORE:
            return RESPONSE_MORE;
        case CHUNKED_END:
            response->place = RESPONSE_AT_END;
            return bytes == 0 ? RESPONSE_COMPLETE : RESPONSE_BROKEN;
        case CHUNKED_BROKEN:
            return RESPONSE_BROKEN;
        }
    }
}

enum response_result response_feed(struct response *response, const char *data, size_t bytes,
                                   const struct response_reader *reader, void *arg)
{
    enum response_result result = RESPONSE_MORE;
    while (bytes > 0 && response->place < RESPONSE_AT_BODY && result == RESPONSE_MORE) {
        char c = *data++;
        bytes--;
        if (c == '\n')
            result = line_end(response, reader, arg);
        else
            line_byte(response, c);
    }
    if (bytes == 0 || result == RESPONSE_BROKEN)
        return result;
    if (response->place == RESPONSE_AT_END)
        return RESPONSE_BROKEN;
    if (response->is_chunked)
        return body_chunked(response, data, bytes, reader, arg);
    return body_with_length(response, data, bytes, reader, arg);
}
