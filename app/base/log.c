/* The log. See log.h. A line leaves in one write(), so that lines of several processes never mix. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"

static enum log_form log_form = LOG_TEXT;
static enum mid_level log_least = MID_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_form form, enum mid_level least)
{
    log_form = form;
    log_least = least;
}

bool log_is_on(enum mid_level level)
{
    return level >= log_least;
}

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

void log_vevent(enum mid_level level, const char *event, const char *request_id, const char *format, va_list arguments)
{
    if (!log_is_on(level))
        return;

    char time[48];
    char detail[1024];
    format_time(time, sizeof(time));
    vsnprintf(detail, sizeof(detail), format, arguments);

    char line[2 * sizeof(detail) + 256];
    int length;
    if (log_form == LOG_JSON) {
        char escaped[2 * sizeof(detail)];
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
    if (write(STDERR_FILENO, line, bytes) < 0)
        return; /* there is nowhere left to say so */
}

void log_event(enum mid_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(level, event, NULL, format, arguments);
    va_end(arguments);
}
