/*
 * Where secrets must not be: what Redis stores gives nobody a cookie, and what processes tell of themselves (logs,
 * metrics, error responses, arguments, environment) has neither keys nor passwords nor what visitors keep in a session.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/keyring.h"
#include "session/token.h"
#include "site.h"

TestSuite(secrets, .timeout = 120);

/* -------------------- a dump of Redis -------------------- */

/* Adds every file of the directory, and of those in it. */
static void add_files(const char *directory, struct buffer *all)
{
    DIR *dir = opendir(directory);
    cr_assert_not_null(dir, "%s", directory);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        OWNED char *path = text_printf("%s/%s", directory, entry->d_name);
        cr_assert_eq(stat(path, &status), 0);
        if (S_ISDIR(status.st_mode)) {
            add_files(path, all);
        } else {
            size_t bytes;
            OWNED char *text = file_read(path, &bytes);
            buffer_append(all, text, bytes);
        }
    }
    closedir(dir);
}

/* As RDB and as AOF. */
static struct buffer dump_of(const struct site *site)
{
    struct buffer dump = {0};
    OWNED char *path = text_printf("%s/redis", site->stack->dir);
    site_await_written(site);
    free(redis_text(site->redis, "SAVE"));
    add_files(path, &dump);
    cr_assert_gt(dump.length, 1000);
    return dump;
}

static bool is_of_token(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool is_believed(const char *text, const struct keyring *keyring)
{
    struct token token;
    enum token_verdict verdict = token_verify(text, TOKEN_TEXT_LENGTH, keyring, "mid", &token);
    return verdict == TOKEN_VALID || verdict == TOKEN_VALID_OLD_KEY;
}

/* Whether something that looks like a cookie is one, wherever it begins. */
static bool has_cookie(const struct buffer *dump, const struct keyring *keyring)
{
    size_t run = 0;
    for (size_t i = 0; i < dump->length; i++) {
        run = is_of_token(dump->data[i]) ? run + 1 : 0;
        if (run >= TOKEN_TEXT_LENGTH && is_believed(dump->data + i + 1 - TOKEN_TEXT_LENGTH, keyring))
            return true;
    }
    return false;
}

/* Whether any 32 bytes are the signature of a cookie for the session. */
static bool has_signature(const struct buffer *dump, const struct keyring *keyring, const struct token *session)
{
    enum { HEAD_BYTES = TOKEN_BYTES - KEYRING_MAC_BYTES };
    uint8_t bytes[TOKEN_BYTES];
    char text[TOKEN_TEXT_LENGTH + 1];
    size_t length;
    token_sign(session, keyring, "mid", text); /* for what stands in front of it */
    cr_assert_eq(sodium_base642bin(bytes, sizeof(bytes), text, strlen(text), NULL, &length, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                 0);
    for (size_t at = 0; at + KEYRING_MAC_BYTES <= dump->length; at++) {
        memcpy(bytes + HEAD_BYTES, dump->data + at, KEYRING_MAC_BYTES);
        sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        if (is_believed(text, keyring))
            return true;
    }
    return false;
}

/* The signature of the cookie, which a dump that gave it away would have. */
static void append_signature(struct buffer *dump, const char *cookie)
{
    uint8_t bytes[TOKEN_BYTES];
    size_t length;
    cr_assert_eq(sodium_base642bin(bytes, sizeof(bytes), cookie, strlen(cookie), NULL, &length, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                 0);
    buffer_append(dump, bytes + TOKEN_BYTES - KEYRING_MAC_BYTES, KEYRING_MAC_BYTES);
}

Test(secrets, a_dump_of_redis_gives_no_cookie)
{
    char reason[160];
    struct site site = site_open(NULL);
    site_needs_one_redis(&site); /* whose files are known */
    site_make_session(&site);
    cr_assert_eq(site_send(&site, "POST", "/login", "user=alice", NULL), 204);
    cr_assert_eq(site_send(&site, "PUT", "/api/session/note", "what a visitor keeps", NULL), 204);
    cr_assert_eq(site_send(&site, "POST", "/report?seconds=1", NULL, NULL), 202);
    OWNED char *path = text_printf("%s/keys", site.stack->dir);
    struct keyring *keyring = keyring_load(path, reason, sizeof(reason));
    cr_assert_not_null(keyring, "%s", reason);
    OWNED char *cookie = cookie_jar_get(site.visitor, "mid");
    struct token token;
    cr_assert_eq(token_verify(cookie, strlen(cookie), keyring, "mid", &token), TOKEN_VALID, "%s", cookie);

    struct buffer dump = dump_of(&site);
    char hex[2 * TOKEN_RID_BYTES + 1];
    sodium_bin2hex(hex, sizeof(hex), token.rid, sizeof(token.rid));
    cr_assert_not_null(memmem(dump.data, dump.length, hex, strlen(hex)), "the session is not in the dump");
    cr_expect_not(has_cookie(&dump, keyring));
    cr_expect_not(has_signature(&dump, keyring, &token));
    token.generation--; /* of before the login */
    cr_expect_not(has_signature(&dump, keyring, &token));
    token.generation++;

    append_signature(&dump, cookie); /* and a dump that has one is found out */
    cr_expect(has_signature(&dump, keyring, &token));
    buffer_append_text(&dump, cookie);
    cr_expect(has_cookie(&dump, keyring));
    buffer_fini(&dump);
    keyring_free(keyring);
    site_close(&site);
}

/* -------------------- what processes tell of themselves -------------------- */

static const char password[] = "canary-password-of-redis";
static const char value[] = "canary-of-a-session";
static const char payload[] = "canary-in-a-body";
#define LAST_PATH "/the-last-request"

static void expect_none(const char *where, const char *bytes, size_t length, const char *secret)
{
    cr_expect_null(memmem(bytes, length, secret, strlen(secret)), "%s has \"%s\"", where, secret);
}

static void expect_no_secret(const char *where, const char *bytes, size_t length, const char *key, const char *cookie)
{
    expect_none(where, bytes, length, password);
    expect_none(where, bytes, length, value);
    expect_none(where, bytes, length, payload);
    expect_none(where, bytes, length, key);
    expect_none(where, bytes, length, cookie);
}

static void look_at_file(const char *path, const char *key, const char *cookie)
{
    size_t bytes = 0;
    OWNED char *text = file_read(path, &bytes);
    cr_assert_not_null(text, "%s", path);
    expect_no_secret(path, text, bytes, key, cookie);
}

static void look_at_processes(const struct site *site, const char *key, const char *cookie)
{
    pid_t pids[STACK_WORKERS_MAX + 1];
    size_t count = process_children(site->stack->master, pids, STACK_WORKERS_MAX);
    pids[count++] = site->stack->master;
    for (size_t i = 0; i < count; i++) {
        static const char *const files[] = {"environ", "cmdline", "comm", "status"};
        for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
            OWNED char *path = text_printf("/proc/%d/%s", (int)pids[i], files[k]);
            look_at_file(path, key, cookie);
        }
    }
}

/* Requests that fail in every way that says something, with the secrets in all that a request has. */
static void fail_in_many_ways(const struct site *site)
{
    static const struct {
        const char *method;
        const char *path;
        const char *body;
    } requests[] = {
        {"PUT", "/api/session/canary", value},
        {"PUT", "/api/session/a%20bad%20name", value},
        {"POST", "/api/session/canary/increment", NULL},
        {"POST", "/login", payload},
        {"POST", "/report?seconds=x", payload},
        {"POST", "/null", payload},
        {"GET", "/nowhere", NULL},
        {"GET", "/stream?count=x", NULL},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct http_response response;
        site_send(site, requests[i].method, requests[i].path, requests[i].body, &response);
        expect_none(requests[i].path, response.body.data, response.body.length, value);
        expect_none(requests[i].path, response.body.data, response.body.length, payload);
        expect_none(requests[i].path, response.body.data, response.body.length, password);
        http_response_fini(&response);
    }
}

/* The hexadecimal key of the first line "id key # comment". */
static char *read_key(const char *path)
{
    enum { HEX_LENGTH = 64 };
    OWNED char *text = file_read(path, NULL);
    char *line = strtok(text, "\n");
    while (line != NULL && line[0] == '#')
        line = strtok(NULL, "\n");
    cr_assert_not_null(line);
    char *key = strndup(strchr(line, ' ') + 1, HEX_LENGTH);
    cr_assert_eq(strspn(key, "0123456789abcdef"), HEX_LENGTH, "%s", key);
    return key;
}

static void write_password(const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "%s\n", password);
    fclose(file);
    const struct passwd *user = getpwnam("www-data"); /* whose site it will be, when root runs the tests: scripts/run */
    cr_assert(geteuid() != 0 || (user != NULL && chown(path, user->pw_uid, user->pw_gid) == 0));
}

/* nginx writes its log a second late. */
static bool has_last_request(void *arg)
{
    OWNED char *text = file_read(arg, NULL);
    bool has_it = text != NULL && strstr(text, LAST_PATH) != NULL;
    return has_it;
}

Test(secrets, are_in_no_log_metric_error_argument_or_environment)
{
    char file[] = "/tmp/midstream-password-XXXXXX";
    int fd = mkstemp(file);
    cr_assert_geq(fd, 0);
    close(fd);
    write_password(file);
    OWNED char *setting = text_printf("MIDSTREAM_REDIS_PASSWORD_FILE=%s", file);
    struct site site = site_open(
        SETTINGS("MIDSTREAM_REDIS_USER=default", setting, "MIDSTREAM_LOG_LEVEL=debug", "MIDSTREAM_SLOW_MS=1"));
    OWNED char *path = text_printf("%s/keys", site.stack->dir);
    OWNED char *key = read_key(path);
    site_make_session(&site);
    OWNED char *cookie = cookie_jar_get(site.visitor, "mid");
    fail_in_many_ways(&site);
    site_stop_redis(&site);
    fail_in_many_ways(&site);
    site_resume_redis(&site);
    site_send(&site, "GET", LAST_PATH, NULL, NULL);

    OWNED char *access_log = text_printf("%s/access.log", site.stack->dir);
    cr_assert(wait_until(has_last_request, access_log, PATIENCE_MS), "nginx's log has not the last request");
    OWNED char *log = site_log(&site);
    cr_expect_not_null(strstr(log, " debug "), "there is nothing to look at: %s", log);
    expect_no_secret("the log", log, strlen(log), key, cookie);
    static const char *const files[] = {"access.log", "nginx.log", "work.log", "redis.log"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        OWNED char *name = text_printf("%s/%s", site.stack->dir, files[i]);
        look_at_file(name, key, cookie);
    }
    look_at_processes(&site, key, cookie);
    struct http_response metrics;
    http_send(&(struct http_request){.url = "http://localhost/metrics", .unix_socket = site.stack->admin_socket},
              &metrics);
    cr_expect_eq(metrics.status, 200);
    expect_no_secret("/metrics", metrics.body.data, metrics.body.length, key, cookie);
    http_response_fini(&metrics);

    unlink(file);
    site_close(&site);
}
