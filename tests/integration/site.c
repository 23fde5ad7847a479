/* A site under test. See site.h. */
#include "site.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/store.h"
#include "support/redis_cluster.h"

/* -------------------- open and close -------------------- */

struct site site_open_with(const struct stack_options *options)
{
    struct site site = {.stack = stack_start(options), .visitor = cookie_jar_new()};
    if (site.stack->redis != 0)
        site.redis = redis_probe_open(site.stack->redis_socket);
    if (site.stack->cluster != NULL)
        site.redis = redis_probe_open_cluster(site.stack->cluster->ports, site.stack->cluster->count);
    return site;
}

struct site site_open(const char *const settings[])
{
    return site_open_with(&(struct stack_options){.workers = 1, .environment = settings});
}

struct site site_open_app(const char *const settings[])
{
    const char *program = getenv("INTEGRATION_APP");
    return site_open_with(&(struct stack_options){
        .workers = 1,
        .environment = settings,
        .midstream = program != NULL ? program : "build/asan/tests/integration-app",
    });
}

void site_close(struct site *site)
{
    redis_probe_close(site->redis);
    cookie_jar_free(site->visitor);
    stack_stop(site->stack);
}

static void run_or_fail(const char *const argv[])
{
    struct buffer output = {0};
    const char *program = getenv("MIDSTREAM");
    OWNED char *environment = text_printf("MIDSTREAM=%s", program != NULL ? program : "build/asan/midstream");
    int code = process_run(argv, (const char *const[]){environment, NULL}, &output, 60000);
    cr_assert_eq(code, 0, "%s: %.*s", argv[0], (int)output.length, output.data);
    buffer_fini(&output);
}

static pid_t read_pid(const struct site *site, const char *name)
{
    OWNED char *path = text_printf("%s/%s", site->stack->dir, name);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text, "there is no %s", path);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    return pid;
}

void site_restart(struct site *site)
{
    struct stack *stack = site->stack;
    redis_probe_close(site->redis);
    run_or_fail((const char *const[]){"scripts/run", "--stop", "--dir", stack->dir, NULL});
    run_or_fail(
        (const char *const[]){"scripts/run", "--port", "0", "--dir", stack->dir, "--workers", "1", "--detach", NULL});
    OWNED char *path = text_printf("%s/url", stack->dir);
    free(stack->url);
    stack->url = file_read(path, NULL);
    cr_assert_not_null(stack->url);
    stack->url[strcspn(stack->url, "\n")] = '\0';
    stack->master = read_pid(site, "midstream.pid");
    stack->nginx = read_pid(site, "nginx.pid");
    stack->redis = read_pid(site, "redis.pid");
    site->redis = redis_probe_open(stack->redis_socket);
}

/* -------------------- requests -------------------- */

int site_send(const struct site *site, const char *method, const char *path, const char *body,
              struct http_response *response)
{
    struct http_response own;
    OWNED char *url = stack_url(site->stack, path);
    http_send(&(struct http_request){.method = method, .url = url, .visitor = site->visitor, .body = body}, &own);
    cr_assert_eq(own.curl_code, 0, "%s %s: %s", method, path, own.error);
    int status = own.status;
    if (response != NULL)
        *response = own;
    else
        http_response_fini(&own);
    return status;
}

char *site_get(const struct site *site, const char *path)
{
    struct http_response response;
    int status = site_send(site, "GET", path, NULL, &response);
    cr_assert_eq(status, 200, "GET %s: %d %s", path, status, response.body.data);
    char *body = strdup(response.body.data);
    http_response_fini(&response);
    return body;
}

void site_make_session(const struct site *site)
{
    cr_assert_eq(site_send(site, "GET", "/counter", NULL, NULL), 200);
}

struct http_stream *site_stream(const struct site *site, const char *path)
{
    OWNED char *url = stack_url(site->stack, path);
    struct http_stream *stream =
        http_stream_open(&(struct http_request){.url = url, .visitor = site->visitor, .timeout_ms = 60000}, NULL, NULL);
    return stream;
}

/* -------------------- workers and logs -------------------- */

pid_t site_worker(const struct site *site)
{
    pid_t workers[STACK_WORKERS_MAX];
    size_t count = stack_workers(site->stack, workers);
    cr_assert_eq(count, 1, "there are %zu workers", count);
    return workers[0];
}

struct worker_wish {
    const struct site *site;
    pid_t old;
};

static bool has_new_worker(void *arg)
{
    const struct worker_wish *wish = arg;
    pid_t workers[STACK_WORKERS_MAX];
    return stack_workers(wish->site->stack, workers) == 1 && workers[0] != wish->old;
}

void site_wait_new_worker(const struct site *site, pid_t old)
{
    cr_assert(wait_until(has_new_worker, &(struct worker_wish){site, old}, PATIENCE_MS), "no new worker came");
}

char *site_log(const struct site *site)
{
    OWNED char *path = text_printf("%s/midstream.log", site->stack->dir);
    char *text = file_read(path, NULL);
    cr_assert_not_null(text);
    return text;
}

struct log_wish {
    const struct site *site;
    const char *text;
};

static bool log_has(void *arg)
{
    const struct log_wish *wish = arg;
    OWNED char *log = site_log(wish->site);
    bool has = strstr(log, wish->text) != NULL;
    return has;
}

bool site_wait_log(const struct site *site, const char *text)
{
    return wait_until(log_has, &(struct log_wish){site, text}, PATIENCE_MS);
}

pid_t site_start_pool(const struct site *site, const char *name, const char *flag, char **socket_path)
{
    *socket_path = text_printf("%s/%s.sock", site->stack->dir, name);
    OWNED char *listen = text_printf("unix:%s", *socket_path);
    const char *redis = site->stack->redis_url;
    OWNED char *keys = text_printf("%s/keys", site->stack->dir);
    const char *program = getenv("MIDSTREAM");
    pid_t master =
        process_spawn((const char *const[]){program ? program : "build/asan/midstream", "serve", "--workers", "2",
                                            "--listen", listen, "--redis", redis, "--keys", keys, flag, NULL},
                      NULL);
    return master;
}

/* -------------------- Redis -------------------- */

void site_needs_one_redis(const struct site *site)
{
    struct site copy = *site;
    if (site->stack->cluster == NULL)
        return;
    site_close(&copy);
    cr_skip_test("not with a cluster");
}

static bool is_stopped(pid_t pid)
{
    OWNED char *path = text_printf("/proc/%d/stat", (int)pid);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text, "Redis has ended");
    bool is_so = strstr(text, ") T ") != NULL;
    return is_so;
}

static bool are_stopped(void *arg)
{
    const struct stack *stack = ((const struct site *)arg)->stack;
    if (stack->cluster == NULL)
        return is_stopped(stack->redis);
    bool are_all = true;
    for (int i = 0; i < stack->cluster->count; i++)
        are_all = are_all && is_stopped(stack->cluster->pids[i]);
    return are_all;
}

void site_signal_redis(const struct site *site, int signal_number)
{
    const struct redis_cluster_nodes *cluster = site->stack->cluster;
    if (cluster == NULL)
        process_signal(site->stack->redis, signal_number);
    for (int i = 0; cluster != NULL && i < cluster->count; i++)
        process_signal(cluster->pids[i], signal_number);
}

static bool is_written(void *arg)
{
    const struct site *site = arg;
    OWNED char *info = redis_text(site->redis, "INFO persistence");
    bool is_so = info != NULL && strstr(info, "\r\naof_buffer_length:0\r\n") != NULL;
    return is_so;
}

void site_await_written(const struct site *site)
{
    if (site->stack->cluster == NULL) /* which writes nothing */
        cr_assert(wait_until(is_written, (void *)(uintptr_t)site, PATIENCE_MS));
}

void site_stop_redis(const struct site *site)
{
    site_await_written(site);
    struct site copy = *site;
    site_signal_redis(site, SIGSTOP);
    cr_assert(wait_until(are_stopped, &copy, PATIENCE_MS));
}

/* It looks at all of its connections before it looks at one of them again. */
void site_resume_redis(const struct site *site)
{
    site_signal_redis(site, SIGCONT);
    for (int i = 0; i < 2; i++)
        free(redis_text(site->redis, "PING"));
}

static bool has_ended(void *arg)
{
    return !process_is_alive(*(pid_t *)arg);
}

void site_kill_redis(struct site *site)
{
    site_needs_one_redis(site);
    redis_probe_close(site->redis);
    site->redis = NULL;
    process_signal(site->stack->redis, SIGKILL);
    cr_assert(wait_until(has_ended, &site->stack->redis, PATIENCE_MS));
}

static bool redis_answers(void *arg)
{
    struct site *site = arg;
    struct buffer output = {0};
    int code = process_run((const char *const[]){"redis-cli", "-s", site->stack->redis_socket, "ping", NULL}, NULL,
                           &output, PATIENCE_MS);
    bool is_up = code == 0 && output.length >= 4 && memcmp(output.data, "PONG", 4) == 0;
    buffer_fini(&output);
    return is_up;
}

/* In the same directory, so with the same data; stack_stop() ends it by its pid file. */
void site_start_redis(struct site *site)
{
    OWNED char *data = text_printf("%s/redis", site->stack->dir);
    OWNED char *pid_file = text_printf("%s/redis.pid", site->stack->dir);
    OWNED char *log = text_printf("%s/redis.log", site->stack->dir);
    unlink(site->stack->redis_socket);
    site->stack->redis =
        process_spawn((const char *const[]){"redis-server", "scripts/redis.conf", "--port", "0", "--unixsocket",
                                            site->stack->redis_socket, "--unixsocketperm", "777", "--dir", data,
                                            "--pidfile", pid_file, "--logfile", log, NULL},
                      NULL);
    cr_assert(wait_until(redis_answers, site, PATIENCE_MS), "Redis did not start again");
    site->redis = redis_probe_open(site->stack->redis_socket);
}

/* -------------------- the session -------------------- */

char *site_key(const struct site *site)
{
    OWNED char *cookie = cookie_jar_get(site->visitor, "mid");
    cr_assert_not_null(cookie, "the visitor has no cookie");
    unsigned char token[TOKEN_BYTES];
    size_t bytes;
    cr_assert_eq(sodium_base642bin(token, sizeof(token), cookie, strlen(cookie), NULL, &bytes, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                 0);
    cr_assert_eq(bytes, sizeof(token));
    char *key = malloc(STORE_KEY_BYTES);
    store_key(token + 2, key); /* behind version and key id */
    return key;
}

char *site_field(const struct site *site, const char *name)
{
    OWNED char *body = site_get(site, "/api/session");
    json_t *answer = json_loads(body, 0, NULL);
    cr_assert_not_null(answer, "not JSON: %s", body);
    json_t *fields = json_object_get(json_object_get(answer, "session"), "fields");
    const char *value = json_string_value(json_object_get(fields, name));
    char *copy = value != NULL ? strdup(value) : NULL;
    json_decref(answer);
    return copy;
}

static int64_t number_of(char *text)
{
    int64_t number = text != NULL ? strtoll(text, NULL, 10) : -1;
    free(text);
    return number;
}

int64_t site_number(const struct site *site, const char *name)
{
    return number_of(site_field(site, name));
}

struct field_wish {
    const struct site *site;
    const char *key;
    const char *field;
    int64_t at_least;
};

int64_t stored_number(const struct site *site, const char *key, const char *field)
{
    return number_of(redis_text(site->redis, "HGET %s %s", key, field));
}

struct header stored_header(const struct site *site, const char *key)
{
    struct header header;
    OWNED char *bytes = redis_text(site->redis, "HGET %s @", key);
    cr_assert_not_null(bytes, "%s has no header", key);
    cr_assert(header_parse(bytes, HEADER_BYTES, &header), "%s has another header", key);
    return header;
}

void date_renewal(const struct site *site, const char *key, int64_t ms)
{
    uint8_t bytes[HEADER_BYTES];
    struct header header = stored_header(site, key);
    header.renewed_ms = ms;
    header_pack(&header, bytes);
    redis_int(site->redis, "HSET %s @ %b", key, bytes, sizeof(bytes));
}

size_t stored_sessions(const struct site *site)
{
    struct redis_texts keys = redis_texts(site->redis, "KEYS %s", "mid:s:*");
    size_t count = keys.count;
    redis_texts_fini(&keys);
    return count;
}

static bool is_reached(void *arg)
{
    const struct field_wish *wish = arg;
    return stored_number(wish->site, wish->key, wish->field) >= wish->at_least;
}

bool stored_reaches(const struct site *site, const char *key, const char *field, int64_t at_least)
{
    return wait_until(is_reached, &(struct field_wish){site, key, field, at_least}, PATIENCE_MS);
}

static bool is_stored(void *arg)
{
    const struct field_wish *wish = arg;
    return redis_int(wish->site->redis, "HEXISTS %s %s", wish->key, wish->field) == 1;
}

char *stored_wait(const struct site *site, const char *key, const char *field)
{
    cr_assert(wait_until(is_stored, &(struct field_wish){site, key, field, 0}, PATIENCE_MS), "%s was never stored",
              field);
    return redis_text(site->redis, "HGET %s %s", key, field);
}

/* -------------------- the kernel -------------------- */

int64_t resident_kib(pid_t pid)
{
    OWNED char *path = text_printf("/proc/%d/status", (int)pid);
    OWNED char *text = file_read(path, NULL);
    cr_assert_not_null(text);
    const char *line = strstr(text, "VmRSS:");
    cr_assert_not_null(line);
    int64_t kib = strtoll(line + 6, NULL, 10);
    return kib;
}

int raw_request(const struct site *site, const char *request)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)strtol(strrchr(site->stack->url, ':') + 1, NULL, 10)),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0, "connect: %s", strerror(errno));
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

char *raw_rest(int fd)
{
    struct buffer text = {0};
    ssize_t got;
    while ((got = recv(fd, buffer_reserve(&text, 65536), 65536, 0)) > 0)
        text.length += (size_t)got;
    buffer_append(&text, "", 1);
    return text.data;
}
