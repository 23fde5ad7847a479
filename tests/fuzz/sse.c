/* The input is an event's data: read back as WHATWG HTML 9.2 says, it is one event with the same lines. */
#include "fuzz.h"

#include "stream/sse.h"

/* The text with CR LF, CR and LF written as LF. */
static char *normalise(const char *text)
{
    char *copy = fuzz_text((const uint8_t *)text, strlen(text));
    char *out = copy;
    for (const char *in = text; *in != '\0'; in++) {
        *out++ = *in == '\r' ? '\n' : *in;
        if (in[0] == '\r' && in[1] == '\n')
            in++;
    }
    *out = '\0';
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *expected = normalise(text);
    struct buffer out = {0};
    sse_format(&out, &(struct mid_event){.data = text});
    buffer_append(&out, "", 1);

    struct buffer read = {0};
    const char *at = out.data;
    for (; strncmp(at, "data: ", 6) == 0; at = strchr(at, '\n') + 1) {
        if (read.data != NULL)
            buffer_append(&read, "\n", 1);
        buffer_append(&read, at + 6, strcspn(at + 6, "\n"));
        buffer_reserve(&read, 1);
    }
    CLAIM(strcmp(at, "\n") == 0);
    CLAIM(memchr(out.data, '\r', out.length) == NULL);
    CLAIM(read.length == strlen(expected) && memcmp(read.data, expected, read.length) == 0);

    buffer_fini(&read);
    buffer_fini(&out);
    free(expected);
    free(text);
    return 0;
}
