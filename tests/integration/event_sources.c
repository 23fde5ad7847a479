/*
 * Clients of server-sent events that behave as EventSource does (WHATWG HTML, 9.2.3): they open their connection again
 * when it ends or fails, and give up at any status but 200, or another content type.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "site.h"

TestSuite(event_sources, .timeout = 120);

static const char *const of_event_source[] = {"Accept: text/event-stream", "Cache-Control: no-cache", NULL};

static void get(const struct site *site, const char *path, const char *const headers[], struct http_response *response)
{
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.url = url, .headers = headers, .visitor = site->visitor}, response);
}

static bool is_event_stream(const struct http_response *response)
{
    OWNED char *type = http_response_header(response, "Content-Type", 0);
    bool is = type != NULL && strcmp(type, "text/event-stream") == 0;
    return is;
}

/* -------------------- the end -------------------- */

Test(event_sources, a_stream_that_has_ended_answers_204_and_its_handler_does_not_run)
{
    struct site site = site_open(NULL);
    struct http_response response;
    site_make_session(&site);
    get(&site, "/events?count=2&interval_ms=1", of_event_source, &response);
    cr_expect(text_ends(response.body.data, "\n\nid: midstream-end\nevent: end\ndata: {}\n\n"), "%s",
              response.body.data);
    http_response_fini(&response);
    OWNED char *before = site_get(&site, "/api/session");
    static const char *const again[] = {"Accept: text/event-stream", "Last-Event-ID: midstream-end", NULL};
    get(&site, "/events?count=2&interval_ms=1", again, &response);
    cr_expect_eq(response.status, 204);
    http_response_fini(&response);
    OWNED char *after = site_get(&site, "/api/session");
    cr_expect_str_eq(before, after);
    get(&site, "/nowhere", again, &response);
    cr_expect_eq(response.status, 404);
    http_response_fini(&response);
    site_close(&site);
}

Test(event_sources, the_demonstration_goes_on_after_the_last_event_that_was_seen)
{
    static const struct {
        const char *last;
        const char *first; /* of the body, behind its retry time */
    } rows[] = {
        {"Last-Event-ID: 3", "id: 4\n"},
        {"Last-Event-ID: 5", "id: midstream-end\n"},
        {"Last-Event-ID: 99", "id: midstream-end\n"},
        {"Last-Event-ID: none", "id: 1\n"},
        {"Last-Event-ID: -1", "id: 1\n"},
        {"Last-Event-ID: 99999999999999999999", "id: 1\n"},
    };
    struct site site = site_open(NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_response response;
        get(&site, "/events?count=5&interval_ms=1", (const char *const[]){of_event_source[0], rows[i].last, NULL},
            &response);
        const char *body = behind_retry(response.body.data);
        cr_expect_eq(strncmp(body, rows[i].first, strlen(rows[i].first)), 0, "%s: %s", rows[i].last, body);
        http_response_fini(&response);
    }
    site_close(&site);
}

/* -------------------- what is unavailable for a while -------------------- */

static void expect_come_back(const struct site *site, const char *path, const char *error)
{
    struct http_response response;
    OWNED char *expected = text_printf(",\"error\":\"%s\"}\n\n", error);
    get(site, path, of_event_source, &response);
    cr_expect_eq(response.status, 200, "%s: %d", error, response.status);
    cr_expect(is_event_stream(&response), "%s", response.head.data);
    cr_expect_eq(strncmp(response.body.data, "retry: ", strlen("retry: ")), 0, "%s", response.body.data);
    cr_expect_not_null(strstr(response.body.data, "\nevent: reconnect\ndata: {\"retry_ms\":"), "%s",
                       response.body.data);
    cr_expect(text_ends(response.body.data, expected), "%s", response.body.data);
    cr_expect_eq(text_count(response.head.data, "Cache-Control: no-store\r\n"), 1, "%s", response.head.data);
    http_response_fini(&response);
}

static void expect_status(const struct site *site, const char *path, int status)
{
    struct http_response response;
    get(site, path, NULL, &response);
    cr_expect_eq(response.status, status, "%d", response.status);
    cr_expect_not(is_event_stream(&response));
    http_response_fini(&response);
}

Test(event_sources, they_come_back_when_redis_does_not_answer_and_others_see_the_error)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    site_stop_redis(&site);
    expect_come_back(&site, "/events", "MID_UNAVAILABLE");
    expect_status(&site, "/events", 503);
    site_resume_redis(&site);
    site_close(&site);
}

Test(event_sources, they_come_back_when_there_is_no_room)
{
    struct site site = site_open(SETTINGS("MIDSTREAM_STREAMS_MAX=1"));
    struct http_stream *stream = site_stream(&site, "/stream?count=1000&interval_ms=100");
    cr_assert(http_stream_wait_text(stream, "Chunk 1", PATIENCE_MS));
    expect_come_back(&site, "/events", "MID_OVERLOADED");
    expect_status(&site, "/events", 503);
    http_stream_close(stream, NULL);
    site_close(&site);
}

Test(event_sources, an_error_that_does_not_pass_ends_them)
{
    struct site site = site_open(NULL);
    struct http_response response;
    get(&site, "/events?count=none", of_event_source, &response);
    cr_expect_eq(response.status, 400);
    http_response_fini(&response);
    site_close(&site);
}

/* -------------------- restarts -------------------- */

enum { CLIENTS = 100, EVENTS = 40, LOOK_MS = 10 };

struct client {
    struct http_stream *stream; /* NULL: it waits for its time */
    int64_t retry_ms;
    int64_t open_at_ms;
    int last_event;
    char last_id[32];
    int opened;
    int gaps;     /* events that were missed, or came twice */
    bool is_done; /* a 204 */
    bool is_lost; /* it has given up */
};

/* What EventSource makes of a body. */
static void take_events(struct client *client, const char *body)
{
    for (const char *line = body; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (line[length] == '\0')
            break; /* an event that was cut is none */
        if (strncmp(line, "retry: ", 7) == 0)
            client->retry_ms = strtol(line + 7, NULL, 10);
        if (strncmp(line, "id: ", 4) == 0) {
            snprintf(client->last_id, sizeof(client->last_id), "%.*s", (int)length - 4, line + 4);
            int number = atoi(client->last_id);
            client->gaps += number != 0 && number != client->last_event + 1;
            client->last_event = number != 0 ? number : client->last_event;
        }
        line += length + 1;
    }
}

static void open_again(const struct site *site, struct client *client)
{
    OWNED char *url = stack_url(site->stack, "/events?count=40&interval_ms=100");
    OWNED char *last = text_printf("Last-Event-ID: %s", client->last_id);
    client->stream = http_stream_open(
        &(struct http_request){
            .url = url,
            .headers = (const char *const[]){of_event_source[0], client->last_id[0] != '\0' ? last : NULL, NULL}},
        NULL, NULL);
    client->opened++;
}

static void take_end(struct client *client)
{
    struct http_response response;
    http_stream_close(client->stream, &response);
    client->stream = NULL;
    take_events(client, response.body.data != NULL ? response.body.data : "");
    client->open_at_ms = clock_monotonic_ms() + client->retry_ms;
    client->is_done = response.status == 204;
    client->is_lost =
        response.status != 0 && response.status != 204 && (response.status != 200 || !is_event_stream(&response));
    if (client->is_lost)
        fprintf(stderr, "lost: %d %s\n", response.status, response.body.data);
    http_response_fini(&response);
}

/* True when none has anything left to do. */
static bool run_clients(const struct site *site, struct client clients[])
{
    bool are_over = true;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &clients[i];
        if (client->is_done || client->is_lost)
            continue;
        are_over = false;
        if (client->stream == NULL && clock_monotonic_ms() >= client->open_at_ms)
            open_again(site, client);
        else if (client->stream != NULL && http_stream_wait_end(client->stream, 0))
            take_end(client);
    }
    usleep(LOOK_MS * 1000);
    return are_over;
}

static void run_for(const struct site *site, struct client clients[], int64_t ms)
{
    int64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms)
        run_clients(site, clients);
}

static void expect_none_lost(const struct site *site, struct client clients[])
{
    enum { ENOUGH_MS = 60000 };
    int64_t end_ms = clock_monotonic_ms() + ENOUGH_MS;
    while (!run_clients(site, clients) && clock_monotonic_ms() < end_ms) {
    }
    int lost = 0;
    int done = 0;
    int came_back = 0;
    for (int i = 0; i < CLIENTS; i++) {
        lost += clients[i].is_lost;
        done += clients[i].is_done;
        came_back += clients[i].opened > 2; /* the end makes a second */
        cr_expect(clients[i].last_event == EVENTS && clients[i].gaps == 0, "client %d: %d events, %d gaps", i,
                  clients[i].last_event, clients[i].gaps);
        if (clients[i].stream != NULL)
            http_stream_close(clients[i].stream, NULL);
    }
    cr_expect_eq(lost, 0, "%d of %d were lost", lost, CLIENTS);
    cr_expect_eq(done, CLIENTS, "%d of %d were done", done, CLIENTS);
    cr_expect_eq(came_back, CLIENTS, "%d of %d came back; the restart was too late", came_back, CLIENTS);
}

static struct site open_site(struct client clients[])
{
    struct site site = site_open(
        SETTINGS("MIDSTREAM_DRAIN_TIMEOUT_MS=1000", "MIDSTREAM_RECONNECT_MS=400", "MIDSTREAM_SESSION_NEW_MAX=10000"));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.retry_ms = 3000};
    run_for(&site, clients, 500);
    return site;
}

/* -------------------- stopping and starting -------------------- */

static void run_script(const char *const argv[])
{
    struct buffer output = {0};
    const char *program = getenv("MIDSTREAM");
    OWNED char *environment = text_printf("MIDSTREAM=%s", program != NULL ? program : "build/asan/midstream");
    int code = process_run(argv, (const char *const[]){environment, NULL}, &output, 60000);
    cr_assert_eq(code, 0, "%s: %.*s", argv[0], (int)output.length, output.data);
    buffer_fini(&output);
}

static void stop_all(const struct site *site)
{
    run_script((const char *const[]){"scripts/run", "--stop", "--dir", site->stack->dir, NULL});
}

/* At the port that it had. */
static void start_all(const struct site *site)
{
    run_script((const char *const[]){"scripts/run", "--port", strrchr(site->stack->url, ':') + 1, "--dir",
                                     site->stack->dir, "--workers", "1", "--detach", NULL});
}

static bool is_gone(void *arg)
{
    return !process_is_alive(*(pid_t *)arg);
}

enum { WORDS_MAX = 64 };

/* The NUL-ended words of a file of /proc. Returns how many; the memory is the file's. */
static size_t words_of(pid_t pid, const char *name, const char *words[])
{
    size_t bytes;
    OWNED char *path = text_printf("/proc/%d/%s", (int)pid, name);
    char *text = file_read(path, &bytes);
    cr_assert_not_null(text, "%s", path);
    size_t count = 0;
    for (const char *word = text; word < text + bytes && count < WORDS_MAX - 1; word += strlen(word) + 1)
        words[count++] = word;
    words[count] = NULL;
    return count;
}

/* Starts the master again as it was: the command, the environment, the user. */
struct command {
    const char *words[WORDS_MAX + 8];
    const char *environment[WORDS_MAX];
};

static void stop_pool(const struct site *site, struct command *command)
{
    size_t count = 0;
    pid_t master = site->stack->master;
    OWNED char *path = text_printf("/proc/%d", (int)master);
    struct stat owner;
    cr_assert_eq(stat(path, &owner), 0);
    if (geteuid() == 0) {
        command->words[count++] = "setpriv";
        command->words[count++] = text_printf("--reuid=%u", (unsigned)owner.st_uid);
        command->words[count++] = text_printf("--regid=%u", (unsigned)owner.st_gid);
        command->words[count++] = "--clear-groups";
    }
    words_of(master, "cmdline", command->words + count);
    words_of(master, "environ", command->environment);
    process_signal(master, SIGTERM);
    cr_assert(wait_until(is_gone, &master, PATIENCE_MS));
}

static void start_pool(struct site *site, const struct command *command)
{
    site->stack->master = process_spawn(command->words, &(struct process_options){.environment = command->environment});
}

static struct client clients[CLIENTS];

Test(event_sources, none_of_a_hundred_is_lost_when_everything_is_restarted)
{
    struct site site = open_site(clients);
    stop_all(&site);
    run_for(&site, clients, 1000);
    start_all(&site);
    expect_none_lost(&site, clients);
    site_close(&site);
}

Test(event_sources, none_of_a_hundred_is_lost_when_the_workers_are_restarted_behind_nginx)
{
    struct site site = open_site(clients);
    struct command command;
    stop_pool(&site, &command);
    run_for(&site, clients, 2000);
    expect_come_back(&site, "/events", "MID_UNAVAILABLE");
    expect_status(&site, "/events", 502);
    start_pool(&site, &command);
    expect_none_lost(&site, clients);
    site_close(&site);
}
