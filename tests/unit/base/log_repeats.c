/* The log: what repeats is summarised, and files are opened anew. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char directory[] = "/tmp/midstream-log-XXXXXX";
static char path[64];
static char moved[64];

static void open_log(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    snprintf(moved, sizeof(moved), "%s/log.1", directory);
    log_init(LOG_TEXT, MID_INFO);
    cr_assert(log_open(path));
}

static void close_log(void)
{
    cr_assert(log_open(NULL));
    unlink(path);
    unlink(moved);
    rmdir(directory);
}

/* How often the file has the text. */
static int count(const char *file_path, const char *text)
{
    static char written[65536];
    FILE *file = fopen(file_path, "re");
    if (file == NULL)
        return -1;
    written[fread(written, 1, sizeof(written) - 1, file)] = '\0';
    fclose(file);
    int found = 0;
    for (const char *at = written; (at = strstr(at, text)) != NULL; at += strlen(text))
        found++;
    return found;
}

Test(log_repeats, a_warning_that_repeats_is_written_so_often_and_then_counted)
{
    open_log();
    for (int i = 0; i < LOG_BURST + 37; i++)
        log_event(MID_WARN, "test.repeats", "i=%d", i);
    cr_expect_eq(count(path, "warn test.repeats i="), LOG_BURST);
    cr_expect_eq(count(path, "repeated="), 0);
    log_tick();
    cr_expect_eq(count(path, "repeated="), 0, "the window is not over");
    log_flush();
    cr_expect_eq(count(path, "warn test.repeats repeated=37 in_ms="), 1);
    log_flush();
    cr_expect_eq(count(path, "repeated="), 1, "a summary is written once");
    close_log();
}

Test(log_repeats, one_event_does_not_silence_another)
{
    open_log();
    for (int i = 0; i < 2 * LOG_BURST; i++)
        log_event(MID_ERROR, "test.loud", "i=%d", i);
    log_event(MID_ERROR, "test.quiet", "once");
    cr_expect_eq(count(path, "error test.quiet message=once"), 1);
    close_log();
}

Test(log_repeats, information_is_never_held_back)
{
    open_log();
    for (int i = 0; i < 5 * LOG_BURST; i++)
        log_event(MID_INFO, "test.sold", "i=%d", i);
    cr_expect_eq(count(path, "info test.sold"), 5 * LOG_BURST);
    close_log();
}

Test(log_repeats, more_events_than_can_be_counted_one_by_one_are_limited_together)
{
    open_log();
    for (int i = 0; i < 100; i++) {
        char event[32];
        snprintf(event, sizeof(event), "test.event-%d", i);
        log_event(MID_WARN, event, "once");
    }
    cr_expect_eq(count(path, "warn test.event-"), 32 + LOG_BURST);
    log_flush();
    cr_expect_eq(count(path, "warn log.other repeated=48 in_ms="), 1);
    close_log();
}

Test(log_repeats, information_that_clients_cause_is_held_back)
{
    open_log();
    for (int i = 0; i < 5 * LOG_BURST; i++)
        log_client_event(MID_INFO, "test.rejected", "i=%d", i);
    cr_expect_eq(count(path, "info test.rejected i="), LOG_BURST);
    log_flush();
    cr_expect_eq(count(path, "info test.rejected repeated=80 in_ms="), 1);
    close_log();
}

Test(log_repeats, a_file_that_was_moved_away_is_opened_anew)
{
    open_log();
    log_event(MID_INFO, "test.before", "1");
    cr_assert_eq(rename(path, moved), 0);
    log_event(MID_INFO, "test.between", "2");
    cr_assert(log_reopen());
    log_event(MID_INFO, "test.after", "3");
    cr_expect_eq(count(moved, "test."), 2);
    cr_expect_eq(count(path, "test.after message=3"), 1);
    cr_expect_eq(count(path, "test.b"), 0);
    close_log();
}

Test(log_repeats, a_file_that_cannot_be_opened_leaves_the_log_where_it_is)
{
    open_log();
    cr_expect_not(log_open("/nowhere/log"));
    log_event(MID_INFO, "test.still", "here");
    cr_expect_eq(count(path, "test.still message=here"), 1);
    close_log();
}
