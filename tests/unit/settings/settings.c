/* The settings: defaults, environment, flags, and what is said about a value that cannot be used. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings/settings.h"

static struct settings settings;
static char reason[512];

/* Whatever the machine that runs the tests has in its environment. */
static void set_up(void)
{
    clearenv();
}

TestSuite(settings, .init = set_up);

/* A copy that lives as long as the settings that point into it: as long as the test's process. */
static char *keep(const char *text)
{
    static char memory[16 * 1024];
    static size_t used;
    size_t size = strlen(text) + 1;
    cr_assert_leq(used + size, sizeof(memory));
    char *copy = memcpy(memory + used, text, size);
    used += size;
    return copy;
}

static bool read_flags(int count, const char *const flags[])
{
    char *argv[8] = {0};
    cr_assert_lt(count, 8);
    for (int i = 0; i < count; i++)
        argv[i] = keep(flags[i]);
    reason[0] = '\0';
    return settings_read(&settings, count, argv, reason, sizeof(reason));
}

#define FLAGS(...) ((const char *const[]){__VA_ARGS__})

Test(settings, defaults_hold_where_nothing_is_said)
{
    cr_assert(read_flags(0, NULL), "%s", reason);
    cr_expect_str_eq(settings.listen, "unix:midstream.sock");
    cr_expect_str_eq(settings.redis, "127.0.0.1:6379");
    cr_expect_null(settings.redis_password_file);
    cr_expect(settings.cookie_secure, "the safe value is the default");
    cr_expect_eq(settings.session_idle_ms, 30 * 60 * 1000);
    cr_expect_eq(settings.session_absolute_ms, 12 * 60 * 60 * 1000);
    cr_expect_eq(settings.heartbeat_ms, 15000);
    cr_expect_str_eq(settings.log_format, "text");
}

Test(settings, the_environment_overrides_defaults_and_flags_the_environment)
{
    setenv("MIDSTREAM_HEARTBEAT_MS", "1000", 1);
    setenv("MIDSTREAM_REDIS", "unix:/from/environment", 1);
    setenv("MIDSTREAM_COOKIE_SECURE", "no", 1);
    setenv("MIDSTREAM_LOG_FORMAT", "json", 1);
    cr_assert(read_flags(2, FLAGS("--heartbeat-ms", "2000")), "%s", reason);
    cr_expect_eq(settings.heartbeat_ms, 2000);
    cr_expect_str_eq(settings.redis, "unix:/from/environment");
    cr_expect_not(settings.cookie_secure);
    cr_expect_str_eq(settings.log_format, "json");
}

Test(settings, a_flag_has_its_value_behind_it_or_behind_an_equals_sign_and_the_last_one_holds)
{
    cr_assert(read_flags(5, FLAGS("--workers", "3", "--redis=unix:/a=b", "--workers=4", "--cookie-secure=no")), "%s",
              reason);
    cr_expect_eq(settings.workers, 4);
    cr_expect_str_eq(settings.redis, "unix:/a=b");
    cr_expect_not(settings.cookie_secure);
}

Test(settings, the_ends_of_a_range_are_part_of_it)
{
    cr_expect(read_flags(1, FLAGS("--session-idle-ms=1000")), "%s", reason);
    cr_expect_eq(settings.session_idle_ms, 1000);
    cr_expect(read_flags(1, FLAGS("--session-idle-ms=2592000000")), "%s", reason);
    cr_expect_eq(settings.session_idle_ms, 2592000000);
    cr_expect(read_flags(1, FLAGS("--body-max-bytes=9223372036854775807")), "%s", reason);
    cr_expect_eq(settings.body_max_bytes, INT64_MAX);
}

struct row {
    const char *flags[2];
    const char *says[2]; /* parts of the sentence */
};

static const struct row refused[] = {
    {{"--session-idle-ms", "999"}, {"--session-idle-ms is \"999\"", "a whole number from 1000 to 2592000000 ms"}},
    {{"--session-idle-ms", "2592000001"}, {"\"2592000001\"", "from 1000 to 2592000000"}},
    {{"--heartbeat-ms", "15s"}, {"\"15s\"", "a whole number from 100"}},
    {{"--heartbeat-ms", ""}, {"\"\"", "a whole number"}},
    {{"--heartbeat-ms", " 200"}, {"\" 200\"", "a whole number"}},
    {{"--heartbeat-ms", "1e3"}, {"\"1e3\"", "a whole number"}},
    {{"--heartbeat-ms", "99999999999999999999"}, {"\"99999999999999999999\"", "a whole number"}},
    {{"--workers", "-1"}, {"\"-1\"", "from 0 to 256 processes"}},
    {{"--cookie-secure", "true"}, {"--cookie-secure is \"true\"", "one of yes|no"}},
    {{"--cookie-secure", "ye"}, {"\"ye\"", "one of yes|no"}},
    {{"--cookie-secure", ""}, {"\"\"", "one of yes|no"}},
    {{"--log-format", "xml"}, {"\"xml\"", "one of text|json"}},
    {{"--log-level", "info|warn"}, {"\"info|warn\"", "one of debug|info|warn|error"}},
    {{"--listen", ""}, {"--listen is \"\"", "not empty"}},
    {{"--trusted-origins", "example.org"}, {"\"example.org\"", ""}},
    {{"--unknown", "1"}, {"there is no setting --unknown", "--help"}},
    {{"--heartbeat", "1"}, {"there is no setting --heartbeat", ""}},
    {{"heartbeat-ms", "1000"}, {"there is no setting heartbeat-ms", ""}},
    {{"--", "1"}, {"there is no setting --", ""}},
    {{"--=5", "1"}, {"there is no setting --=5", ""}},
    {{"-h", "1"}, {"there is no setting -h", ""}},
};

Test(settings, a_value_that_cannot_be_used_is_refused_with_what_was_expected)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        cr_expect_not(read_flags(2, refused[i].flags), "%s %s", refused[i].flags[0], refused[i].flags[1]);
        for (int part = 0; part < 2; part++)
            cr_expect_not_null(strstr(reason, refused[i].says[part]), "%s %s: %s", refused[i].flags[0],
                               refused[i].flags[1], reason);
    }
}

Test(settings, a_refused_value_of_the_environment_is_named_as_it_stands_there)
{
    setenv("MIDSTREAM_SESSION_FIELDS_MAX", "many", 1);
    cr_expect_not(read_flags(0, NULL));
    cr_expect_not_null(strstr(reason, "MIDSTREAM_SESSION_FIELDS_MAX is \"many\""), "%s", reason);
}

Test(settings, a_variable_that_is_no_setting_is_refused_without_telling_its_value)
{
    setenv("MIDSTREAM_PASSWORD", "secret", 1);
    setenv("MIDSTREAM", "/no/setting/but/a/program", 1);
    cr_expect_not(read_flags(0, NULL));
    cr_expect_not_null(strstr(reason, "MIDSTREAM_PASSWORD"), "%s", reason);
    cr_expect_null(strstr(reason, "secret"), "%s", reason);
    unsetenv("MIDSTREAM_PASSWORD");
    cr_expect(read_flags(0, NULL), "%s", reason);
}

/* -------------------- the file -------------------- */

static bool parse(const char *text)
{
    char *copy = keep(text);
    reason[0] = '\0';
    settings = (struct settings){0};
    return settings_parse(&settings, "a file", copy, strlen(copy), reason, sizeof(reason));
}

Test(settings, a_file_has_a_setting_a_line)
{
    cr_assert(parse("# a comment\n\n  heartbeat-ms = 2000  \nredis=unix:/a=b\r\n\tlog-format\t=\tjson"), "%s", reason);
    cr_expect_eq(settings.heartbeat_ms, 2000);
    cr_expect_str_eq(settings.redis, "unix:/a=b");
    cr_expect_str_eq(settings.log_format, "json");
}

Test(settings, what_is_wrong_in_a_file_is_told_with_its_line)
{
    static const char *const wrong[][2] = {
        {"\nheartbeat-ms = 1\n", "a file:2: heartbeat-ms is \"1\""},
        {"heartbeat-ms 2000", "expected name = value"},
        {"heartbeat-ms =", "\"\""},
        {"= 2000", "there is no setting \"\""},
        {"nothing = 1", "there is no setting \"nothing\""},
        {"workers = 1\nworkers = 2", "workers is set twice"},
        {"config = other", "there is no setting \"config\" in a settings file"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_expect_not(parse(wrong[i][0]), "%s", wrong[i][0]);
        cr_expect_not_null(strstr(reason, wrong[i][1]), "\"%s\": %s", wrong[i][0], reason);
    }
}

Test(settings, the_order_is_default_file_environment_flag)
{
    char path[] = "/tmp/midstream-settings-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "heartbeat-ms = 1000\nworkers = 1\nslow-ms = 1\n";
    cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    close(fd);
    setenv("MIDSTREAM_WORKERS", "2", 1);
    setenv("MIDSTREAM_HEARTBEAT_MS", "2000", 1);
    cr_assert(read_flags(4, FLAGS("--config", path, "--heartbeat-ms", "3000")), "%s", reason);
    cr_expect_eq(settings.slow_ms, 1);
    cr_expect_eq(settings.workers, 2);
    cr_expect_eq(settings.heartbeat_ms, 3000);
    settings_fini(&settings);
    unlink(path);
}

Test(settings, a_flag_without_a_value_is_refused)
{
    cr_expect_not(read_flags(1, FLAGS("--workers")));
    cr_expect_str_eq(reason, "--workers has no value");
}

Test(settings, the_sentence_is_cut_where_there_is_no_room_for_it)
{
    char small[16];
    char *argv[] = {(char[]){"--workers=none"}, NULL};
    memset(small, '!', sizeof(small));
    cr_expect_not(settings_read(&settings, 1, argv, small, sizeof(small)));
    cr_expect_eq(strlen(small), sizeof(small) - 1);
}

Test(settings, help_tells_name_default_range_and_environment_of_each)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    settings_print_help(out);
    fclose(out);
    static const char *const parts[] = {
        "--heartbeat-ms ms\n",
        "default 15000, from 100 to ",
        "; environment MIDSTREAM_HEARTBEAT_MS\n",
        "--cookie-secure yes|no\n",
        "default yes; environment MIDSTREAM_COOKIE_SECURE\n",
        "default none; environment",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        cr_expect_not_null(strstr(text, parts[i]), "\"%s\" is missing in:\n%s", parts[i], text);
    const char *first = strstr(text, "  --streams-max ");
    cr_assert_not_null(first);
    cr_expect_null(strstr(first + 1, "  --streams-max "), "a setting is listed twice");
    free(text);
}
