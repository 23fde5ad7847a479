/*
 * The lines of the input are values that a log line is given: whatever they are, it is one line, in JSON with exactly
 * its own fields, and in text without a byte that a terminal or a reader of lines would take for more.
 */
#include "fuzz.h"

#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "support/lines.h"

enum { VALUES = 3 };

static int sink = -1;

static void say(struct log_request request, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(MID_INFO, "fuzz.event", &request, false, format, arguments);
    va_end(arguments);
}

/* The line that one of two formats gives: with and without quotes. */
static size_t write_line(enum log_form form, bool is_quoted, char *values[], char *line, size_t size)
{
    CLAIM(ftruncate(sink, 0) == 0 && lseek(sink, 0, SEEK_SET) == 0);
    log_init(form, MID_INFO);
    struct log_request request = {.id = values[2]};
    if (is_quoted)
        say(request, "path=\"%s\" number=%d reason=\"%s\"", values[0], 42, values[1]);
    else
        say(request, "path=%s number=%d reason=%s", values[0], 42, values[1]);
    log_flush();
    ssize_t got = pread(sink, line, size, 0);
    CLAIM(got > 0 && (size_t)got < size);
    line[got] = '\0';
    return (size_t)got;
}

static void check_line(const char *line, size_t length)
{
    CLAIM(length <= LOG_LINE_BYTES && line[length - 1] == '\n');
    for (size_t i = 0; i + 1 < length; i++)
        CLAIM((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
}

static void check_json(const char *line, size_t length)
{
    json_t *fields = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    CLAIM(json_is_object(fields));
    CLAIM(strcmp(json_string_value(json_object_get(fields, "event")), "fuzz.event") == 0);
    CLAIM(json_is_string(json_object_get(fields, "time")) && json_is_string(json_object_get(fields, "level")));
    size_t own = 3;
    static const char *const may_be[] = {"request", "path", "number", "reason", "truncated"};
    for (size_t i = 0; i < sizeof(may_be) / sizeof(may_be[0]); i++)
        own += json_object_get(fields, may_be[i]) != NULL;
    CLAIM(json_object_size(fields) == own);
    CLAIM(json_integer_value(json_object_get(fields, "number")) == 42 || length > LOG_LINE_BYTES / 2);
    json_decref(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[LOG_LINE_BYTES + 2];
    char *values[VALUES];
    if (sink < 0) {
        sink = memfd_create("log", MFD_CLOEXEC);
        CLAIM(sink >= 0);
        log_sink_use(sink, false);
    }
    char *text = fuzz_text(data, size);
    fuzz_lines(text, VALUES, values);
    for (int is_quoted = 0; is_quoted < 2; is_quoted++) {
        check_line(line, write_line(LOG_TEXT, is_quoted, values, line, sizeof(line)));
        size_t length = write_line(LOG_JSON, is_quoted, values, line, sizeof(line));
        check_line(line, length);
        check_json(line, length);
    }
    free(text);
    return 0;
}
