/* Server-sent events as bytes. See sse.h. */
#include "stream/sse.h"

#include <string.h>

#include "base/panic.h"

static bool has_line_break(const char *text)
{
    return text != NULL && strpbrk(text, "\r\n") != NULL;
}

bool sse_event_is_valid(const struct mid_event *event)
{
    return !has_line_break(event->name) && !has_line_break(event->id) && event->retry_ms >= 0;
}

/* Each line of the text with the prefix before it. CR LF, CR and LF end a line, as they do for the client's parser. */
static void append_lines(struct buffer *out, const char *prefix, const char *text)
{
    for (;;) {
        size_t length = strcspn(text, "\r\n");
        buffer_append_text(out, prefix);
        buffer_append(out, text, length);
        buffer_append(out, "\n", 1);
        text += length;
        if (*text == '\0')
            break;
        text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    }
}

void sse_format(struct buffer *out, const struct mid_event *event)
{
    ENSURE(sse_event_is_valid(event));
    if (event->name != NULL)
        append_lines(out, "event: ", event->name);
    if (event->id != NULL)
        append_lines(out, "id: ", event->id);
    if (event->retry_ms > 0)
        buffer_printf(out, "retry: %d\n", event->retry_ms);
    if (event->data != NULL)
        append_lines(out, "data: ", event->data);
    buffer_append(out, "\n", 1);
}

void sse_comment(struct buffer *out, const char *text)
{
    append_lines(out, ": ", text);
    buffer_append(out, "\n", 1);
}
