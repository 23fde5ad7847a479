/* SIGHUP: new settings and keys, without losing a request; and what cannot be, changes nothing. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fastcgi.h"
#include "fcgi/record_filter.h"
#include "master.h"
#include "site.h"

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* -------------------- a site, behind nginx -------------------- */

struct ready {
    const struct site *site;
    size_t times;
};

static bool is_ready(void *arg)
{
    const struct ready *ready = arg;
    OWNED char *log = site_log(ready->site);
    bool is = text_count(log, "master.ready") >= ready->times;
    return is;
}

/* The `number`th reload of the site, from 1, until the new workers serve. */
static void reload(const struct site *site, size_t number)
{
    process_signal(site->stack->master, SIGHUP);
    cr_assert(wait_until(is_ready, &(struct ready){site, number + 1}, PATIENCE_MS), "reload %zu does not end", number);
}

static char *log_of(const struct site *site, const char *name)
{
    OWNED char *path = text_printf("%s/%s", site->stack->dir, name);
    char *log = file_read(path, NULL);
    cr_assert_not_null(log);
    return log;
}

/* wrk runs until it is interrupted; its words go to the file. */
static pid_t start_wrk(const struct site *site, const char *output_path)
{
    int fd = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert(fd >= 0);
    OWNED char *url = stack_url(site->stack, "/");
    pid_t pid = process_spawn((const char *const[]){"wrk", "-t", "1", "-c", "16", "-d", "120s", "--timeout", "20s",
                                                    "-s", "tests/integration/reload.lua", url, NULL},
                              &(struct process_options){.output_fd = fd, .has_errors_in_output = true});
    close(fd);
    return pid;
}

static void expect_no_failure(const char *wrk_said)
{
    unsigned requests = 0;
    const char *line = strstr(wrk_said, "requests=");
    cr_assert(line != NULL && sscanf(line, "requests=%u", &requests) == 1, "%s", wrk_said);
    cr_expect_gt(requests, 1000, "%s", wrk_said);
    cr_expect_not_null(strstr(line, " others=0 connect=0 read=0 write=0 timeout=0\n"), "%s", wrk_said);
}

Test(reload, fifty_reloads_under_load_lose_no_request)
{
    enum { RELOADS = 50 };
    struct stack_options two_workers = {.workers = 2};
    struct site site = site_open_with(&two_workers);
    OWNED char *output = text_printf("%s/wrk.out", site.stack->dir);
    pid_t wrk = start_wrk(&site, output);
    for (size_t i = 1; i <= RELOADS; i++)
        reload(&site, i);
    process_signal(wrk, SIGINT);
    cr_expect_eq(process_wait(wrk, PATIENCE_MS), 0);

    OWNED char *said = file_read(output, NULL);
    expect_no_failure(said);
    OWNED char *nginx = log_of(&site, "nginx.log");
    cr_expect_str_empty(nginx, "%s", nginx);
    pid_t now[STACK_WORKERS_MAX];
    cr_expect_geq(stack_workers(site.stack, now), 2);
    site_close(&site);
}

/* A new key in front of the file, which stays its owner's. */
static void rotate_keys(const struct site *site)
{
    struct stat owner;
    OWNED char *keys = text_printf("%s/keys", site->stack->dir);
    const char *program = getenv("MIDSTREAM");
    struct buffer output = {0};
    cr_assert_eq(stat(keys, &owner), 0);
    int code = process_run(
        (const char *const[]){program != NULL ? program : "build/asan/midstream", "keygen", "--keys", keys, NULL}, NULL,
        &output, PATIENCE_MS);
    cr_assert_eq(code, 0, "%.*s", (int)output.length, output.data);
    cr_assert_eq(chown(keys, owner.st_uid, owner.st_gid), 0);
    buffer_fini(&output);
}

Test(reload, a_cookie_under_an_old_key_goes_on_and_is_signed_anew)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    OWNED char *before = cookie_jar_get(site.visitor, "mid");
    rotate_keys(&site);
    reload(&site, 1);
    char *body = site_get(&site, "/counter");
    cr_expect_not_null(strstr(body, "\"counter\":2"), "%s", body);
    OWNED char *after = cookie_jar_get(site.visitor, "mid");
    cr_expect_str_neq(before, after);
    free(body);
    body = site_get(&site, "/counter");
    cr_expect_not_null(strstr(body, "\"counter\":3"), "%s", body);
    free(body);
    site_close(&site);
}

Test(reload, an_open_stream_goes_on_undisturbed_while_new_requests_meet_new_workers)
{
    struct site site = site_open(NULL);
    site_make_session(&site);
    pid_t before = site_worker(&site);
    struct http_stream *stream = site_stream(&site, "/rows?count=15&interval_ms=100");
    cr_assert(http_stream_wait_text(stream, "{\"row\":2,", PATIENCE_MS));
    reload(&site, 1);
    pid_t workers[STACK_WORKERS_MAX];
    cr_expect_eq(stack_workers(site.stack, workers), 2);
    cr_expect_eq(workers[0], before);
    char *body = site_get(&site, "/counter");
    free(body);
    struct http_response response;
    cr_assert(http_stream_wait_end(stream, PATIENCE_MS));
    http_stream_close(stream, &response);
    cr_expect_eq(response.curl_code, 0);
    cr_expect(text_ends(response.body.data, "{\"row\":15,\"square\":225}\n{\"end\":true}\n"), "%s", response.body.data);
    cr_expect_eq(site_number(&site, "row"), 15);
    http_response_fini(&response);
    site_wait_new_worker(&site, before);
    site_close(&site);
}

/* -------------------- the goodbye, byte for byte -------------------- */

static void expect_goodbye(int fd)
{
    static const uint8_t goodbye[RECORD_HEADER_BYTES] = {1, RECORD_STDERR, 0, 1};
    uint8_t got[RECORD_HEADER_BYTES] = {0};
    cr_assert_eq(recv(fd, got, sizeof(got), MSG_WAITALL), (ssize_t)sizeof(got));
    cr_expect_arr_eq(got, goodbye, sizeof(goodbye));
}

static void send_get(int fd)
{
    struct buffer request = {0};
    fastcgi_get(&request, "/null", NULL, FASTCGI_KEEP);
    fastcgi_write(fd, &request);
    buffer_fini(&request);
}

static void expect_answer(int fd)
{
    struct fastcgi_answer answer = fastcgi_read_answer(fd);
    cr_expect(answer.has_end);
    cr_expect(strncmp(answer.out.data, "Status: 200", 11) == 0, "%s", answer.out.data);
    fastcgi_answer_fini(&answer);
}

Test(reload, a_request_that_crosses_the_goodbye_is_served)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--workers", "1")});
    int fd = fastcgi_connect(master.socket);
    send_get(fd);
    expect_answer(fd);
    process_signal(master.pid, SIGHUP);
    expect_goodbye(fd);
    send_get(fd);
    expect_answer(fd);
    expect_goodbye(fd);
    close(fd);
    cr_expect(master_wait_log(&master, "worker.exit", 1));
    master_close(&master);
}

Test(reload, a_peer_that_does_not_close_after_the_goodbye_is_not_waited_for)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--workers", "1")});
    int fd = fastcgi_connect(master.socket);
    send_get(fd);
    expect_answer(fd);
    process_signal(master.pid, SIGHUP);
    expect_goodbye(fd);
    cr_expect(fastcgi_is_closed(fd));
    cr_expect(master_wait_log(&master, "worker.exit", 1));
    close(fd);
    master_close(&master);
}

/* -------------------- settings -------------------- */

static void write_config(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_refusal(struct master *master, const char *config, const char *text, const char *reason,
                           size_t number)
{
    pid_t before[2];
    pid_t after[2];
    master_workers(master, before, 2);
    write_config(config, text);
    process_signal(master->pid, SIGHUP);
    cr_assert(master_wait_log(master, "master.reload-refused", number));
    OWNED char *log = master_log(master);
    cr_expect_not_null(strstr(log, reason), "%s: %s", reason, log);
    master_workers(master, after, 2);
    cr_expect_arr_eq(before, after, sizeof(before));
    cr_expect(master_answers(fastcgi_connect(master->socket), "/null"));
}

Test(reload, a_bad_configuration_changes_nothing_and_says_so_and_a_good_one_counts)
{
    struct master master = master_prepare();
    OWNED char *config = master_path(&master, "midstream.conf");
    write_config(config, "slow-ms = 100\n");
    master_start(&master, &(struct master_options){.flags = FLAGS("--config", config)});
    expect_refusal(&master, config, "slow-ms = soon\n", "midstream.conf:1: slow-ms is \\\"soon\\\"; it has to be", 1);
    expect_refusal(&master, config, "slow = 1\n", "midstream.conf:1: there is no setting \\\"slow\\\"", 2);
    expect_refusal(&master, config, "redis-password-file = /nowhere\n", "cannot read a password from /nowhere", 3);
    expect_refusal(&master, config, "pidfile = other\n", "a change of the setting pidfile needs a restart", 4);
    expect_refusal(&master, config, "log-file = /nowhere/log\n", "cannot write the log file /nowhere/log", 5);

    OWNED char *keys = master_path(&master, "keys");
    OWNED char *away = master_path(&master, "keys.away");
    cr_assert_eq(rename(keys, away), 0);
    expect_refusal(&master, config, "slow-ms = 100\n", "keys", 6);
    cr_assert_eq(rename(away, keys), 0);

    write_config(config, "log-format = json\n");
    process_signal(master.pid, SIGHUP);
    cr_expect(master_wait_log(&master, "\"event\":\"master.ready\"", 1));
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    master_close(&master);
}

/* -------------------- logs -------------------- */

struct wanted_line {
    const char *path;
    const char *text;
    size_t times;
};

static bool file_has(void *arg)
{
    const struct wanted_line *wanted = arg;
    OWNED char *text = file_read(wanted->path, NULL);
    bool has = text != NULL && text_count(text, wanted->text) >= wanted->times;
    return has;
}

static bool wait_file(const char *path, const char *text, size_t times)
{
    return wait_until(file_has, &(struct wanted_line){path, text, times}, PATIENCE_MS);
}

Test(reload, sigusr1_lets_all_processes_write_to_a_new_log_file)
{
    struct master master = master_prepare();
    OWNED char *file = master_path(&master, "events.log");
    OWNED char *moved = master_path(&master, "events.log.1");
    master_start(&master, &(struct master_options){.flags = FLAGS("--log-file", file), .fails = true});
    cr_assert(wait_file(file, "master.ready", 1));
    cr_assert_eq(rename(file, moved), 0);
    process_signal(master.pid, SIGUSR1);
    cr_expect(wait_file(file, "master.log-reopened", 1));
    cr_expect(wait_file(file, "worker.log-reopened", 2));
    process_signal(master.pid, SIGHUP);
    cr_expect(wait_file(file, "master.ready", 1));
    cr_expect(wait_file(file, "worker.drained", 2), "the old workers write to it, too");
    cr_expect_not(file_has(&(struct wanted_line){moved, "master.reload", 1}));
    master_close(&master);
}
