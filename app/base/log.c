/* The log. See log.h. */
#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log_fields.h"
#include "base/log_sink.h"

enum { VALUES_BYTES = 1024, REPEATS_MAX = 32, EVENT_BYTES = 48, FLUSH_WAIT_MS = 200 };

/* An event that was logged in the present window. */
struct repeat {
    char event[EVENT_BYTES];
    enum mid_level level;
    int64_t since_ms;
    int lines;
    int held_back; /* that did not become lines */
};

static struct {
    enum log_form form;
    enum mid_level least;
    char *path;                             /* NULL: standard error */
    struct repeat repeats[REPEATS_MAX + 1]; /* the last is for all events beyond that many */
} logger = {.form = LOG_TEXT, .least = MID_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_form form, enum mid_level least)
{
    logger.form = form;
    logger.least = least;
}

bool log_is_on(enum mid_level level)
{
    return level >= logger.least;
}

/* -------------------- where lines go -------------------- */

static void use(char *path, int fd)
{
    log_sink_use(fd, path != NULL);
    if (logger.path != path)
        free(logger.path);
    logger.path = path;
}

static int open_file(const char *path)
{
    /* Not blocking: a named pipe without a reader is an error, not a reason to wait. */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
}

bool log_open(const char *path)
{
    if (path == NULL) {
        use(NULL, STDERR_FILENO);
        return true;
    }
    char *copy = strdup(path);
    int fd = copy != NULL ? open_file(copy) : -1;
    if (fd < 0) {
        free(copy);
        return false;
    }
    use(copy, fd);
    return true;
}

bool log_reopen(void)
{
    if (logger.path == NULL)
        return true;
    int fd = open_file(logger.path);
    if (fd < 0)
        return false;
    use(logger.path, fd);
    return true;
}

/* -------------------- lines -------------------- */

static void format_time(char *text, size_t size)
{
    struct timespec now;
    struct tm utc;
    char seconds[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, size, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* A line that is being made: it has room for its end. */
struct line {
    char text[LOG_LINE_BYTES];
    size_t length;
};

enum { LINE_END_BYTES = 2 }; /* "}\n" */

static void put(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof(line->text) - LINE_END_BYTES - line->length;
    memcpy(line->text + line->length, text, length < room ? length : room);
    line->length += length < room ? length : room;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* In quotes, with room for the closing one, whatever has to be cut. */
static void put_string(struct line *line, const char *text, size_t length)
{
    put(line, "\"", 1);
    size_t room = sizeof(line->text) - LINE_END_BYTES - 1 - line->length;
    line->length += json_escape(line->text + line->length, room, text, length);
    put(line, "\"", 1);
}

/* Whether a field still fits, with its key and an empty value. */
static bool has_room(const struct line *line, size_t key_length)
{
    return line->length + key_length + 16 < sizeof(line->text) - LINE_END_BYTES;
}

static bool needs_quotes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f || strchr("\"\\=", text[i]) != NULL)
            return true;
    return length == 0;
}

/* The names that every line has are not a field's. */
static bool is_taken(const struct log_field *field)
{
    static const char *const names[] = {"time", "level", "event", "request", "trace"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == field->key_length && memcmp(names[i], field->key, field->key_length) == 0)
            return true;
    return false;
}

static void put_json_field(struct line *line, const struct log_field *field)
{
    put(line, ",\"", 2);
    put(line, field->key, field->key_length);
    put_text(line, is_taken(field) ? "_\":" : "\":");
    if (field->is_number)
        put(line, field->value, field->value_length);
    else
        put_string(line, field->value, field->value_length);
}

static void put_text_field(struct line *line, const struct log_field *field)
{
    put(line, " ", 1);
    put(line, field->key, field->key_length);
    put(line, "=", 1);
    if (field->is_quoted || needs_quotes(field->value, field->value_length))
        put_string(line, field->value, field->value_length);
    else
        put(line, field->value, field->value_length);
}

static void put_field(struct line *line, const struct log_field *field)
{
    if (!has_room(line, field->key_length))
        return;
    if (logger.form == LOG_JSON)
        put_json_field(line, field);
    else
        put_text_field(line, field);
}

static void put_named(struct line *line, const char *key, const char *value)
{
    if (value == NULL)
        return;
    if (logger.form == LOG_JSON)
        put(line, ",\"", 2);
    else
        put(line, " ", 1);
    put_text(line, key);
    put_text(line, logger.form == LOG_JSON ? "\":" : "=");
    if (logger.form == LOG_JSON || needs_quotes(value, strlen(value)))
        put_string(line, value, strlen(value));
    else
        put_text(line, value);
}

static void begin_line(struct line *line, enum mid_level level, const char *event)
{
    char time[48];
    format_time(time, sizeof(time));
    line->length = 0;
    put_text(line, logger.form == LOG_JSON ? "{\"time\":\"" : "");
    put_text(line, time);
    put_text(line, logger.form == LOG_JSON ? "\",\"level\":\"" : " ");
    put_text(line, level_names[level]);
    if (logger.form == LOG_JSON) {
        put_text(line, "\",\"event\":");
        put_string(line, event, strlen(event));
    } else {
        put(line, " ", 1);
        if (needs_quotes(event, strlen(event)))
            put_string(line, event, strlen(event));
        else
            put_text(line, event);
    }
}

static void write_line(enum mid_level level, const char *event, const struct log_request *request, const char *format,
                       va_list arguments)
{
    static struct line line;
    static char values[VALUES_BYTES];
    struct log_field fields[LOG_FIELDS_MAX];
    begin_line(&line, level, event);
    if (request != NULL) {
        put_named(&line, "request", request->id);
        put_named(&line, "trace", request->trace_id);
    }
    int count = log_fields_format(fields, values, sizeof(values), format, arguments);
    for (int i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    if (count < 0 && vsnprintf(values, sizeof(values), format, arguments) > 0)
        put_named(&line, "message", values);
    const char *end = logger.form == LOG_JSON ? "}\n" : "\n";
    memcpy(line.text + line.length, end, strlen(end));
    log_sink_write(line.text, line.length + strlen(end));
}

static void write_own_line(enum mid_level level, const char *event, const char *format, ...) MID_FORMAT(3, 4);

static void write_own_line(enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(level, event, NULL, format, arguments);
    va_end(arguments);
}

static void tell_of_dropped(void)
{
    uint64_t dropped = log_sink_take_dropped();
    if (dropped > 0)
        write_own_line(MID_WARN, "log.dropped", "lines=%" PRIu64, dropped);
}

/* -------------------- repeats -------------------- */

static void summarise(struct repeat *repeat, int64_t now_ms)
{
    if (repeat->held_back > 0)
        write_own_line(repeat->level, repeat->event, "repeated=%d in_ms=%" PRId64, repeat->held_back,
                       now_ms - repeat->since_ms);
    *repeat = (struct repeat){0};
}

void log_tick(void)
{
    int64_t now_ms = clock_monotonic_ms();
    if (log_sink_flush())
        tell_of_dropped();
    for (size_t i = 0; i <= REPEATS_MAX; i++)
        if (logger.repeats[i].lines > 0 && now_ms - logger.repeats[i].since_ms >= LOG_WINDOW_MS)
            summarise(&logger.repeats[i], now_ms);
}

void log_flush(void)
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i <= REPEATS_MAX; i++)
        summarise(&logger.repeats[i], now_ms);
    log_sink_drain(FLUSH_WAIT_MS);
    tell_of_dropped();
}

void log_after_fork(void)
{
    log_sink_after_fork();
    memset(logger.repeats, 0, sizeof(logger.repeats));
}

void log_count_dropped(uint64_t *count)
{
    log_sink_count_into(count);
}

/* The event's row, perhaps a new one; or the one that all events share for which there is no other. */
static struct repeat *find_repeat(const char *event, int64_t now_ms)
{
    struct repeat *unused = NULL;
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct repeat *repeat = &logger.repeats[i];
        if (repeat->lines > 0 && strncmp(repeat->event, event, EVENT_BYTES - 1) == 0)
            return repeat;
        if (repeat->lines == 0 && unused == NULL)
            unused = repeat;
    }
    if (unused == NULL) {
        unused = &logger.repeats[REPEATS_MAX];
        event = "log.other";
    }
    if (unused->lines == 0) {
        snprintf(unused->event, sizeof(unused->event), "%s", event);
        unused->since_ms = now_ms;
    }
    return unused;
}

static bool may_leave(enum mid_level level, const char *event)
{
    log_tick();
    struct repeat *repeat = find_repeat(event, clock_monotonic_ms());
    repeat->level = level;
    if (repeat->lines < LOG_BURST) {
        repeat->lines++;
        return true;
    }
    repeat->held_back++;
    return false;
}

/* -------------------- the interface -------------------- */

void log_vevent(enum mid_level level, const char *event, const struct log_request *request, bool is_limited,
                const char *format, va_list arguments)
{
    if (!log_is_on(level))
        return;
    if (level >= (is_limited ? MID_INFO : MID_WARN) && !may_leave(level, event))
        return;
    write_line(level, event, request, format, arguments);
}

void log_event(enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(level, event, NULL, false, format, arguments);
    va_end(arguments);
}

void log_client_event(enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(level, event, NULL, true, format, arguments);
    va_end(arguments);
}
