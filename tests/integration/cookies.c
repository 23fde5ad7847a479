/* The session cookie: what is not ours costs Redis nothing, and what is ours is sent as it has to be. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fastcgi.h"
#include "session/token.h"
#include "site.h"

TestSuite(cookies, .timeout = 60);

/* Sends the lines as they are and returns the whole response. */
static char *get_raw(const struct site *site, const char *path, const char *cookie_lines)
{
    char *request =
        text_printf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path, cookie_lines);
    int fd = raw_request(site, request);
    char *response = raw_rest(fd);
    close(fd);
    free(request);
    return response;
}

/* What Redis was asked about sessions, or anything else but the queues, at which the task worker looks all the time. */
static size_t count_questions(struct redis_monitor *monitor)
{
    size_t all = redis_monitor_count(monitor);
    size_t of_queues = 0;
    OWNED char *lines = strdup(redis_monitor_lines(monitor));
    char *rest = lines;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        of_queues += strstr(line, "mid:q:") != NULL;
    return all - of_queues;
}

Test(cookies, what_we_did_not_sign_is_no_session_and_is_never_asked_for_in_redis)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *good = cookie_jar_get(site.visitor, "mid");
    OWNED char *forged = strdup(good);
    forged[TOKEN_TEXT_LENGTH - 1] = forged[TOKEN_TEXT_LENGTH - 1] == 'A' ? 'B' : 'A';
    OWNED char *other_rid = strdup(good);
    other_rid[10] = other_rid[10] == 'A' ? 'B' : 'A';
    OWNED char *unknown_key = strdup(good);
    unknown_key[2] = unknown_key[2] == 'z' ? 'y' : 'z';
    OWNED char *padded = text_printf("%s=", good);
    char huge[7001];
    memset(huge, 'A', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';

    char *rows[] = {
        text_printf("Cookie: mid=%s\r\n", forged),
        text_printf("Cookie: mid=%s\r\n", other_rid),
        text_printf("Cookie: mid=%s\r\n", unknown_key),
        text_printf("Cookie: mid=%s\r\n", padded),
        text_printf("Cookie: mid=%.71s\r\n", good),
        text_printf("Cookie: mid=%.10s\r\n", good),
        text_printf("Cookie: mid=\r\n"),
        text_printf("Cookie: mid\r\n"),
        text_printf("Cookie: =%s\r\n", good),
        text_printf("Cookie: mid=\"%s\"\r\n", good),
        text_printf("Cookie: mid=%sA\r\n", good),
        text_printf("Cookie: mid=%s\r\n", huge),
        text_printf("Cookie: session=%s\r\n", good),
        text_printf("Cookie: Mid=%s\r\n", good),
        text_printf("Cookie: __Host-mid=%s\r\n", good),
        text_printf("Cookie: mid=%s; mid=%s\r\n", good, good),
        text_printf("Cookie: mid=%s; a=b; mid=\r\n", good),
        text_printf("Cookie: mid=%s\r\nCookie: mid=%s\r\n", good, good),
        text_printf("Cookie: mid=%s\r\nCookie: a=b; mid=%s\r\n", forged, good),
        text_printf("X-Cookie: mid=%s\r\n", good),
    };
    site_needs_one_redis(&site);
    struct redis_monitor *monitor = redis_monitor_start(site.stack->redis_socket);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWNED char *response = get_raw(&site, "/api/session", rows[i]);
        cr_expect(strncmp(response, "HTTP/1.1 200 ", 13) == 0 && text_ends(response, "\r\n\r\n{\"session\":null}\n"),
                  "%.100s: %s", rows[i], response);
        size_t asked = count_questions(monitor);
        cr_expect_eq(asked, 0, "%.100s: Redis was asked:\n%s", rows[i], redis_monitor_lines(monitor));
        free(rows[i]);
    }
    /* That the monitor would have seen it: */
    OWNED char *line = text_printf("Cookie: a=b; mid=%s; c=d\r\n", good);
    OWNED char *response = get_raw(&site, "/api/session", line);
    cr_expect(strstr(response, "\"counter\":\"1\"") != NULL, "%s", response);
    cr_expect_eq(count_questions(monitor), 1, "%s", redis_monitor_lines(monitor));
    redis_monitor_stop(monitor);
    site_close(&site);
}

Test(cookies, a_visitor_with_a_forged_cookie_gets_a_session_of_his_own)
{
    struct http_response response;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *good = cookie_jar_get(site.visitor, "mid");
    OWNED char *key = site_key(&site);
    OWNED char *forged = strdup(good);
    forged[TOKEN_TEXT_LENGTH - 1] = forged[TOKEN_TEXT_LENGTH - 1] == 'A' ? 'B' : 'A';
    cookie_jar_set(site.visitor, "mid", forged);
    site_send(&site, "GET", "/counter", NULL, &response);
    cr_expect(strstr(response.body.data, "\"counter\":1") != NULL, "%s", response.body.data);
    cr_expect_eq(text_count(response.head.data, "Set-Cookie: mid="), 1);
    cr_expect_eq(stored_number(&site, key, "counter"), 1, "a forged cookie has changed a session");
    cr_expect_eq(stored_sessions(&site), 2);
    cr_expect(site_wait_log(&site, "cookie.rejected"));
    OWNED char *log = site_log(&site);
    cr_expect_null(strstr(log, forged), "a cookie was logged");
    cr_expect_not_null(strstr(log, "verdict=forged"));
    http_response_fini(&response);
    site_close(&site);
}

Test(cookies, the_cookie_has_the_attributes_that_protect_it_and_is_never_cached)
{
    static const char *const paths[] = {"/counter", "/stream?count=1&interval_ms=0", "/events?count=0", "/rows?count=0",
                                        "/after?delay_ms=0"};
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_response response;
        OWNED char *url = stack_url(site.stack, paths[i]);
        http_send(&(struct http_request){.url = url}, &response);
        OWNED char *cookie = http_response_header(&response, "Set-Cookie", 0);
        OWNED char *caching = http_response_header(&response, "Cache-Control", 0);
        cr_assert_not_null(cookie, "%s", paths[i]);
        cr_expect_str_eq(caching, "no-store");
        cr_expect(strncmp(cookie, "mid=", 4) == 0 && strcspn(cookie, ";") == 4 + TOKEN_TEXT_LENGTH, "%s", cookie);
        cr_expect_str_eq(cookie + strcspn(cookie, ";"), "; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
        http_response_fini(&response);
    }
    site_close(&site);
}

static char *cookie_of(const struct site *site, const char *method, const char *path, char **clears)
{
    struct http_response response;
    site_send(site, method, path, strcmp(method, "POST") == 0 ? "" : NULL, &response);
    char *cookie = http_response_header(&response, "Set-Cookie", 0);
    if (clears != NULL)
        *clears = http_response_header(&response, "Clear-Site-Data", 0);
    cr_assert_not_null(cookie, "%s", path);
    http_response_fini(&response);
    return cookie;
}

Test(cookies, their_attributes_can_be_set)
{
    char *clears;
    struct site site = site_open(SETTINGS("MIDSTREAM_COOKIE_PERSISTENT=no", "MIDSTREAM_COOKIE_SAME_SITE=strict",
                                          "MIDSTREAM_LOGOUT_CLEARS=cache,storage"));
    OWNED char *cookie = cookie_of(&site, "GET", "/counter", &clears);
    cr_expect_str_eq(cookie + strcspn(cookie, ";"), "; Path=/; HttpOnly; SameSite=Strict");
    cr_expect_null(clears);
    OWNED char *gone = cookie_of(&site, "POST", "/logout", &clears);
    cr_expect_str_eq(gone, "mid=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    cr_assert_not_null(clears);
    cr_expect_str_eq(clears, "\"cache\", \"storage\"");
    free(clears);
    site_close(&site);
}

Test(cookies, a_logout_clears_nothing_else_unless_it_is_told_to)
{
    char *clears;
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *gone = cookie_of(&site, "POST", "/logout", &clears);
    cr_expect_str_eq(gone, "mid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    cr_expect_null(clears);
    site_close(&site);
}

/* scripts/run serves plain http; so the default is tried on a pool of its own, with the site's Redis and keys. */
Test(cookies, by_default_the_cookie_is_for_https_only)
{
    struct site site = site_open(NULL);
    char *socket;
    pid_t master = site_start_pool(&site, "secure", NULL, &socket);

    struct buffer request = {0};
    fastcgi_get(&request, "/counter", NULL, 0);
    struct fastcgi_answer answer;
    do { /* until the worker is connected to Redis */
        int fd = fastcgi_connect(socket);
        fastcgi_write(fd, &request);
        answer = fastcgi_read_answer(fd);
        close(fd);
        if (strncmp(answer.out.data, "Status: 503", 11) != 0)
            break;
        fastcgi_answer_fini(&answer);
    } while (true);
    const char *cookie = strstr(answer.out.data, "Set-Cookie: __Host-mid=");
    cr_assert_not_null(cookie, "%s", answer.out.data);
    static const char attributes[] = "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax\r\n";
    cr_expect(strncmp(cookie + strcspn(cookie, ";"), attributes, sizeof(attributes) - 1) == 0, "%s", cookie);
    process_signal(master, SIGTERM);
    cr_expect_eq(process_wait(master, PATIENCE_MS), 0);
    fastcgi_answer_fini(&answer);
    buffer_fini(&request);
    free(socket);
    site_close(&site);
}
