/* The log. See log.h. A line leaves in one write(), so that lines of several processes never mix. */
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

enum { DETAIL_BYTES = 1024, LINE_BYTES = 2 * DETAIL_BYTES + 256, REPEATS_MAX = 32, EVENT_BYTES = 48 };

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
    char *path; /* NULL: standard error */
    int fd;
    struct repeat repeats[REPEATS_MAX];
} logger = {.form = LOG_TEXT, .least = MID_INFO, .fd = STDERR_FILENO};

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
    if (logger.fd != STDERR_FILENO)
        close(logger.fd);
    if (logger.path != path)
        free(logger.path);
    logger.path = path;
    logger.fd = fd;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
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

static void replace_control_characters(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

static void write_line(enum mid_level level, const char *event, const char *request_id, char *detail)
{
    static char line[LINE_BYTES];
    static char escaped[2 * DETAIL_BYTES];
    char time[48];
    int length;
    format_time(time, sizeof(time));
    if (logger.form == LOG_JSON) {
        json_escape(escaped, sizeof(escaped), detail, strlen(detail));
        length = snprintf(line, sizeof(line),
                          "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"%s%s%s,\"detail\":\"%s\"}\n", time,
                          level_names[level], event, request_id != NULL ? ",\"request\":\"" : "",
                          request_id != NULL ? request_id : "", request_id != NULL ? "\"" : "", escaped);
    } else {
        replace_control_characters(detail);
        length = snprintf(line, sizeof(line), "%s %s %s%s%s%s%s\n", time, level_names[level], event,
                          request_id != NULL ? " request=" : "", request_id != NULL ? request_id : "",
                          detail[0] != '\0' ? " " : "", detail);
    }
    size_t bytes = (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1;
    if (write(logger.fd, line, bytes) < 0)
        return; /* there is nowhere left to say so */
}

/* -------------------- repeats -------------------- */

static void summarise(struct repeat *repeat, int64_t now_ms)
{
    if (repeat->held_back > 0) {
        char detail[64];
        snprintf(detail, sizeof(detail), "repeated=%d in_ms=%" PRId64, repeat->held_back, now_ms - repeat->since_ms);
        write_line(repeat->level, repeat->event, NULL, detail);
    }
    *repeat = (struct repeat){0};
}

void log_tick(void)
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < REPEATS_MAX; i++)
        if (logger.repeats[i].lines > 0 && now_ms - logger.repeats[i].since_ms >= LOG_WINDOW_MS)
            summarise(&logger.repeats[i], now_ms);
}

void log_flush(void)
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < REPEATS_MAX; i++)
        summarise(&logger.repeats[i], now_ms);
}

/* The event's row, perhaps a new one; NULL when all are taken. */
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
    if (unused == NULL)
        return NULL;
    snprintf(unused->event, sizeof(unused->event), "%s", event);
    unused->since_ms = now_ms;
    return unused;
}

static bool may_leave(enum mid_level level, const char *event)
{
    if (level < MID_WARN)
        return true;
    log_tick();
    struct repeat *repeat = find_repeat(event, clock_monotonic_ms());
    if (repeat == NULL)
        return true;
    repeat->level = level;
    if (repeat->lines < LOG_BURST) {
        repeat->lines++;
        return true;
    }
    repeat->held_back++;
    return false;
}

/* -------------------- the interface -------------------- */

void log_vevent(enum mid_level level, const char *event, const char *request_id, const char *format, va_list arguments)
{
    static char detail[DETAIL_BYTES];
    if (!log_is_on(level) || !may_leave(level, event))
        return;
    vsnprintf(detail, sizeof(detail), format, arguments);
    write_line(level, event, request_id, detail);
}

void log_event(enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(level, event, NULL, format, arguments);
    va_end(arguments);
}
