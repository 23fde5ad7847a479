/* The settings file: its lines, its place among the sources, what a reload may change in it; and the reference. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings/file.h"
#include "settings/settings.h"

static char reason[1024];

/* -------------------- lines of a file -------------------- */

static bool parse(struct settings *settings, const char *text)
{
    static char copy[4096];
    size_t length = strlen(text);
    memcpy(copy, text, length);
    copy[length] = 'x'; /* what stands behind it is no part of it */
    reason[0] = '\0';
    return settings_parse(settings, "test.conf", copy, length, reason, sizeof(reason));
}

Test(settings_file, lines_of_a_file_are_names_and_values)
{
    struct settings settings = {0};
    cr_assert(parse(&settings, "# a comment\n\n  workers = 3\nredis=unix:/run/redis.sock  \n\tlog-format\t=\tjson\r\n"
                               "# workers = 9\ncookie-secure = no"),
              "%s", reason);
    cr_expect_eq(settings.workers, 3);
    cr_expect_str_eq(settings.redis, "unix:/run/redis.sock");
    cr_expect_str_eq(settings.log_format, "json");
    cr_expect_not(settings.cookie_secure);
}

Test(settings_file, a_value_may_hold_what_looks_like_syntax)
{
    struct settings settings = {0};
    cr_assert(parse(&settings, "redis-user = a # b = c\n"), "%s", reason);
    cr_expect_str_eq(settings.redis_user, "a # b = c");
}

Test(settings_file, what_is_wrong_in_a_file_is_named_with_its_line)
{
    static const struct {
        const char *text;
        const char *reason;
    } rows[] = {
        {"workers = 3\nwrokers = 4\n", "test.conf:2: there is no setting \"wrokers\"; --help lists them"},
        {"\n\nworkers = 257\n", "test.conf:3: workers is \"257\"; it has to be a whole number from 0 to 256 processes"},
        {"workers = -1", "test.conf:1: workers is \"-1\"; it has to be a whole number from 0 to 256 processes"},
        {"workers = 03", "test.conf:1: workers is \"03\"; it has to be a whole number from 0 to 256 processes"},
        {"workers =", "test.conf:1: workers is \"\"; it has to be a whole number from 0 to 256 processes"},
        {"keys = \n", "test.conf:1: keys is \"\"; it has to be FILE, not empty"},
        {"log-format = xml", "test.conf:1: log-format is \"xml\"; it has to be one of text|json"},
        {"log-format = text|json", "test.conf:1: log-format is \"text|json\"; it has to be one of text|json"},
        {"cookie-secure = true", "test.conf:1: cookie-secure is \"true\"; it has to be one of yes|no"},
        {"workers 3", "test.conf:1: expected name = value"},
        {"workers = 1\nworkers = 1", "test.conf:2: workers is set twice in this file"},
        {"config = other.conf", "test.conf:1: there is no setting \"config\" in a settings file"},
        {" = 3", "test.conf:1: there is no setting \"\"; --help lists them"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct settings settings = {0};
        cr_expect_not(parse(&settings, rows[i].text), "accepted: %s", rows[i].text);
        cr_expect_str_eq(reason, rows[i].reason);
    }
}

Test(settings_file, a_nul_in_a_file_is_refused)
{
    struct settings settings = {0};
    char text[] = "workers = 3\0 9\n";
    cr_expect_not(settings_parse(&settings, "test.conf", text, sizeof(text) - 1, reason, sizeof(reason)));
    cr_expect_str_eq(reason, "test.conf:1: there is a NUL byte in the line");
}

/* -------------------- the order of sources -------------------- */

static char path[] = "/tmp/midstream-settings-XXXXXX";

static void write_file(const char *text)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

#define READ(settings, ...)                                                                                            \
    settings_read(settings, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                             \
                  (char **)(uintptr_t)(const char *[]){__VA_ARGS__}, reason, sizeof(reason))

Test(settings_file, a_flag_goes_before_the_environment_and_that_before_the_file_and_that_before_the_default)
{
    struct settings settings;
    write_file("workers = 1\nredis-database = 1\nfibers-max = 100\n");
    setenv("MIDSTREAM_WORKERS", "2", 1);
    setenv("MIDSTREAM_REDIS_DATABASE", "2", 1);
    cr_assert(READ(&settings, "--config", path, "--workers=3"), "%s", reason);
    cr_expect_eq(settings.workers, 3);
    cr_expect_eq(settings.redis_database, 2);
    cr_expect_eq(settings.fibers_max, 100);
    cr_expect_eq(settings.heartbeat_ms, 15000);
    settings_fini(&settings);
    unlink(path);
}

Test(settings_file, the_file_is_checked_also_where_a_flag_goes_before_it)
{
    struct settings settings;
    write_file("workers = many\n");
    cr_expect_not(READ(&settings, "--config", path, "--workers", "3"));
    cr_expect_not_null(strstr(reason, ":1: workers is \"many\""), "%s", reason);
    unlink(path);
}

Test(settings_file, a_file_that_is_not_there_or_too_long_is_refused)
{
    struct settings settings;
    cr_expect_not(READ(&settings, "--config", "/nowhere/at.all"));
    cr_expect_not_null(strstr(reason, "/nowhere/at.all: No such file"), "%s", reason);
    cr_expect_not(READ(&settings, "--config", "/dev/zero"));
    cr_expect_not_null(strstr(reason, "/dev/zero: it is too long"), "%s", reason);
}

Test(settings_file, what_a_reload_cannot_change_is_found)
{
    struct settings before;
    struct settings after;
    cr_assert(READ(&before, "--listen", "unix:a", "--workers", "1"));
    cr_assert(READ(&after, "--listen", "unix:a", "--workers", "2"));
    cr_expect_null(settings_find_fixed_change(&before, &after));
    cr_assert(READ(&after, "--listen", "unix:b", "--workers", "1"));
    cr_expect_str_eq(settings_find_fixed_change(&before, &after), "listen");
    cr_assert(READ(&after, "--listen", "unix:a", "--listen-group", "nobody"));
    cr_expect_str_eq(settings_find_fixed_change(&before, &after), "listen-group");
}

/* -------------------- the reference -------------------- */

/* Tests run in the directory of the repository. */
Test(settings_file, docs_settings_md_is_what_midstream_settings_prints)
{
    char *printed;
    size_t printed_bytes;
    FILE *out = open_memstream(&printed, &printed_bytes);
    settings_print_markdown(out);
    fclose(out);

    static char committed[65536];
    FILE *file = fopen("docs/settings.md", "re");
    cr_assert_not_null(file, "docs/settings.md cannot be read");
    committed[fread(committed, 1, sizeof(committed) - 1, file)] = '\0';
    fclose(file);
    cr_expect(strcmp(printed, committed) == 0,
              "docs/settings.md is old: build/release/midstream settings > docs/settings.md");
    free(printed);
}
