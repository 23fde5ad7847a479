/* What an operator works with: the commands check and settings, and what the log says of slow requests. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fastcgi.h"
#include "master.h"
#include "site.h"

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs `midstream check` with good keys and one other flag; what it said is the caller's. */
static int check(const struct master *master, const char *flag, const char *value, char **said)
{
    const char *program = getenv("MIDSTREAM");
    OWNED char *keys = master_path(master, "keys");
    struct buffer output = {0};
    int code = process_run((const char *const[]){program != NULL ? program : "build/asan/midstream", "check", "--keys",
                                                 keys, flag, value, NULL},
                           NULL, &output, PATIENCE_MS);
    buffer_append(&output, "", 1);
    *said = output.data;
    return code;
}

Test(operation, check_finds_what_a_start_would_stumble_over)
{
    static const struct {
        const char *flag;
        const char *value;
        int code;
        const char *says;
    } rows[] = {
        {"--workers", "2", 0, "settings: ok"},
        {"--listen", "unix:/run/a-%.sock,127.0.0.1:9000,[::1]:9000,fd:3,systemd", 0, "settings: ok"},
        {"--redis", "[::1]:6379", 0, "settings: ok"},
        {"--workers", "257", 2, "--workers is \"257\"; it has to be a whole number from 0 to 256 processes"},
        {"--wrokers", "2", 2, "there is no setting --wrokers"},
        {"--config", "/nowhere/conf", 2, "/nowhere/conf"},
        {"--listen", "nginx", 1, "cannot listen on \"nginx\""},
        {"--listen", "127.0.0.1:70000", 1, "cannot listen on \"127.0.0.1:70000\""},
        {"--listen", "unix:a,unix:b,unix:c,unix:d,unix:e,unix:f,unix:g,unix:h,unix:i", 1, "1 to 8 addresses"},
        {"--listen-group", "no-such-group", 1, "listen-group is \"no-such-group\""},
        {"--admin", "nowhere", 1, "cannot listen on \"nowhere\""},
        {"--redis", "localhost", 1, "the address of Redis, \"localhost\""},
        {"--redis-password-file", "/nowhere/password", 1, "/nowhere/password"},
        {"--keys", "/nowhere/keys", 1, "/nowhere/keys"},
        {"--log-file", "/nowhere/log", 1, "/nowhere/log"},
    };
    struct master master = master_prepare();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *said;
        int code = check(&master, rows[i].flag, rows[i].value, &said);
        cr_expect_eq(code, rows[i].code, "%s %s: %d %s", rows[i].flag, rows[i].value, code, said);
        cr_expect_not_null(strstr(said, rows[i].says), "%s %s: %s", rows[i].flag, rows[i].value, said);
        free(said);
    }
    master_close(&master);
}

Test(operation, a_slow_request_is_logged_with_its_phases_and_a_fast_one_is_not)
{
    struct site site = site_open_app(SETTINGS("MIDSTREAM_SLOW_MS=200"));
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    cr_expect_eq(site_send(&site, "GET", "/spin?ms=300", NULL, NULL), 200);
    cr_expect(site_wait_log(&site, "request.slow"));
    OWNED char *log = site_log(&site);
    const char *line = strstr(log, "request.slow request=");
    cr_assert_not_null(line, "%s", log);
    const char *phases = strstr(line, "method=GET route=/spin status=200 read_ms=");
    cr_assert_not_null(phases, "%s", line);
    long first_byte_ms = strtol(strstr(phases, "first_byte_ms=") + 14, NULL, 10);
    cr_expect_geq(first_byte_ms, 290);              /* the handler looks at another clock */
    const char *rest = strstr(phases, " rest_ms="); /* no bound: a busy machine may take a pause there */
    cr_assert_not_null(rest, "%s", line);
    char *after_rest;
    cr_expect_geq(strtol(rest + strlen(" rest_ms="), &after_rest, 10), 0, "%s", line);
    cr_expect_eq(strncmp(after_rest, " redis_ms=0\n", strlen(" redis_ms=0\n")), 0, "%s", line);
    cr_expect_null(strstr(log, "route=/null"), "%s", log);
    site_close(&site);
}

Test(operation, a_stream_is_slow_to_its_first_byte_or_not_at_all)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_SLOW_MS=500"));
    site_make_session(&site);
    free(site_get(&site, "/rows?count=8&interval_ms=100"));
    cr_expect_eq(site_send(&site, "GET", "/null", NULL, NULL), 200);
    OWNED char *log = site_log(&site);
    cr_expect_null(strstr(log, "request.slow"), "%s", log);
    site_close(&site);
}
