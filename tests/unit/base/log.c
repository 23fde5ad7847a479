/* The log: one line per event, whatever the detail holds. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char written[16384];

static void log_with_request(const char *request_id, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_vevent(MID_INFO, "test.event", &(struct log_request){.id = request_id}, false, format, arguments);
    va_end(arguments);
}

static int saved_stderr = -1;
static FILE *capture;

static void capture_begin(void)
{
    capture = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    cr_assert(log_open(NULL));
}

/* What was logged since capture_begin(), in `written`. */
static void capture_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    rewind(capture);
    written[fread(written, 1, sizeof(written) - 1, capture)] = '\0';
    fclose(capture);
}

static size_t line_count(void)
{
    size_t count = 0;
    for (const char *c = written; *c != '\0'; c++)
        count += *c == '\n';
    return count;
}

Test(log, an_event_is_one_line_with_time_level_and_detail)
{
    log_init(LOG_TEXT, MID_INFO);
    capture_begin();
    log_event(MID_WARN, "worker.exit", "pid=%d status=%d", 4711, 1);
    capture_end();

    char rest[64];
    int year, month, day, hour, minute, second, ms;
    cr_assert_eq(sscanf(written, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %63[^\n]", &year, &month, &day, &hour, &minute, &second,
                        &ms, rest),
                 8);
    cr_assert_str_eq(rest, "warn worker.exit pid=4711 status=1");
    cr_assert_eq(line_count(), 1);
}

Test(log, events_below_the_least_level_are_not_written)
{
    log_init(LOG_TEXT, MID_WARN);
    capture_begin();
    log_event(MID_DEBUG, "a", " ");
    log_event(MID_INFO, "b", " ");
    log_event(MID_ERROR, "c", " ");
    capture_end();
    cr_assert_eq(line_count(), 1);
    cr_assert_not_null(strstr(written, " error c"));
    cr_assert(log_is_on(MID_WARN));
    cr_assert_not(log_is_on(MID_INFO));
}

Test(log, a_detail_with_line_breaks_stays_one_line)
{
    static const enum log_form forms[] = {LOG_TEXT, LOG_JSON};
    for (size_t i = 0; i < 2; i++) {
        log_init(forms[i], MID_INFO);
        capture_begin();
        log_event(MID_INFO, "test.event", "user=%s", "eve\n2026-01-01T00:00:00.000Z error forged\r\x1b[31m");
        capture_end();
        cr_expect_eq(line_count(), 1);
        cr_expect_null(strpbrk(written, "\r\x1b"));
        cr_expect_not_null(strstr(written, "forged"));
    }
}

Test(log, a_json_line_is_json_also_with_hostile_bytes)
{
    log_init(LOG_JSON, MID_INFO);
    capture_begin();
    log_with_request("0f3a", "name=%s", "\"},{\"x\":\"\\ \xff\xe2\x82\xac\n");
    capture_end();

    json_t *line = json_loads(written, 0, NULL);
    cr_assert_not_null(line, "not JSON: %s", written);
    cr_expect_str_eq(json_string_value(json_object_get(line, "level")), "info");
    cr_expect_str_eq(json_string_value(json_object_get(line, "event")), "test.event");
    cr_expect_str_eq(json_string_value(json_object_get(line, "request")), "0f3a");
    cr_expect_str_eq(json_string_value(json_object_get(line, "name")), "\"},{\"x\":\"\\ \xef\xbf\xbd\xe2\x82\xac\n");
    json_decref(line);
}

Test(log, the_request_id_stands_in_a_text_line)
{
    log_init(LOG_TEXT, MID_INFO);
    capture_begin();
    log_with_request("0f3a", "status=%d", 200);
    capture_end();
    cr_assert_not_null(strstr(written, " info test.event request=0f3a status=200\n"));
}

Test(log, a_detail_that_is_too_long_is_cut_and_the_line_still_ends)
{
    static const enum log_form forms[] = {LOG_TEXT, LOG_JSON};
    char detail[9000];
    memset(detail, '"', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    for (size_t i = 0; i < 2; i++) {
        log_init(forms[i], MID_INFO);
        capture_begin();
        log_event(MID_INFO, "test.event", "%s", detail);
        capture_end();
        cr_expect_eq(line_count(), 1);
        cr_expect(written[strlen(written) - 1] == '\n');
    }
}

static json_t *json_line(void)
{
    json_t *line = json_loads(written, 0, NULL);
    cr_assert_not_null(line, "not JSON: %s", written);
    return line;
}

Test(log, each_field_of_the_format_is_one_of_the_json_object)
{
    log_init(LOG_JSON, MID_INFO);
    capture_begin();
    log_event(MID_INFO, "test.fields",
              "count=%d big=%lld name=%s quoted=\"%s\" ratio=%.2f of=%d/%d fixed=\"a b\" event=%s", -3, 1LL << 40, "17",
              "two words", 0.5, 1, 5, "x");
    capture_end();
    json_t *line = json_line();
    cr_expect_eq(json_integer_value(json_object_get(line, "count")), -3);
    cr_expect_eq(json_integer_value(json_object_get(line, "big")), 1LL << 40);
    cr_expect_str_eq(json_string_value(json_object_get(line, "name")), "17",
                     "a text stays one, whatever it looks like");
    cr_expect_str_eq(json_string_value(json_object_get(line, "quoted")), "two words");
    cr_expect_eq(json_real_value(json_object_get(line, "ratio")), 0.5);
    cr_expect_str_eq(json_string_value(json_object_get(line, "of")), "1/5");
    cr_expect_str_eq(json_string_value(json_object_get(line, "fixed")), "a b");
    cr_expect_str_eq(json_string_value(json_object_get(line, "event")), "test.fields");
    cr_expect_str_eq(json_string_value(json_object_get(line, "event_")), "x");
    json_decref(line);
}

#define EXPECT_MESSAGE(expected, ...)                                                                                  \
    do {                                                                                                               \
        capture_begin();                                                                                               \
        log_event(MID_INFO, "test.message", __VA_ARGS__);                                                              \
        capture_end();                                                                                                 \
        json_t *line = json_line();                                                                                    \
        cr_expect_str_eq(json_string_value(json_object_get(line, "message")), (expected));                             \
        json_decref(line);                                                                                             \
    } while (0)

Test(log, a_format_without_fields_is_a_message)
{
    log_init(LOG_JSON, MID_INFO);
    EXPECT_MESSAGE("just words", "just words");
    EXPECT_MESSAGE("a=1 and words", "a=%d and words", 1);
    EXPECT_MESSAGE("=1", "=%d", 1);
    EXPECT_MESSAGE("a=000000ff", "a=%08x", 255);
    EXPECT_MESSAGE("\"a\"=1", "\"a\"=1");
    EXPECT_MESSAGE("a = 1", "a = %d", 1);
}

Test(log, no_value_forges_a_field_of_a_text_line)
{
    log_init(LOG_TEXT, MID_INFO);
    capture_begin();
    log_event(MID_INFO, "test.event", "a=%s b=\"%s\"", "1 level=error", "x\" c=\"2");
    capture_end();
    cr_expect_not_null(strstr(written, " info test.event a=\"1 level=error\" b=\"x\\\" c=\\\"2\"\n"), "%s", written);
}
