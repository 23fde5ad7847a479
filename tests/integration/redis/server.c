/* A Redis of the test's own. See server.h. */
#include "server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "certificates.h"
#include "redis/tls.h"
#include "support/process.h"
#include "support/redis_node.h"

enum { MORE_MAX = 24, WORDS_MAX = 8, START_TIMEOUT_MS = 10000 };

struct server server;

/* -------------------- the server -------------------- */

static bool accepts_connections(void *arg)
{
    (void)arg;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", server.socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_accepted = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    close(fd);
    return is_accepted;
}

void server_make_directory(void)
{
    if (server.directory[0] != '\0')
        return;
    snprintf(server.directory, sizeof(server.directory), "/tmp/midstream-redis-XXXXXX");
    cr_assert_not_null(mkdtemp(server.directory));
    snprintf(server.socket_path, sizeof(server.socket_path), "%s/socket", server.directory);
    snprintf(server.address, sizeof(server.address), "unix:%s", server.socket_path);
    server.port = redis_node_port();
}

static void start(const char *const more[])
{
    server_make_directory();
    char port[16];
    snprintf(port, sizeof(port), "%d", server.port);
    const char *arguments[32 + MORE_MAX] = {
        "setpriv",
        "--pdeathsig",
        "KILL",
        "redis-server",
        "--unixsocket",
        server.socket_path,
        "--port",
        port,
        "--bind",
        "127.0.0.1 ::1",
        "--save",
        "",
        "--dir",
        server.directory,
        "--logfile",
        "log",
        "--daemonize",
        "no",
        "--enable-debug-command",
        "yes",
    };
    size_t count = 0;
    while (arguments[count] != NULL)
        count++;
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        arguments[count++] = more[i];
    server.pid = process_spawn(arguments, NULL);
    cr_assert(wait_until(accepts_connections, NULL, START_TIMEOUT_MS), "redis-server did not start, see %s/log",
              server.directory);
}

void server_start(const char *const more[])
{
    if (server_is_by_tls())
        server_start_with_tls(false, more);
    else
        start(more);
}

/* -------------------- TLS -------------------- */

bool server_is_by_tls(void)
{
    return getenv("REDIS_TLS") != NULL;
}

void server_make_certificates(void)
{
    server_make_directory();
    certificate_make("ca", NULL, NULL, CERTIFICATE_LIFE_S);
    certificate_make("server", "ca", "DNS:localhost,IP:127.0.0.1,IP:::1", CERTIFICATE_LIFE_S);
}

int server_port(void)
{
    return server_is_by_tls() ? server.tls_port : server.port;
}

void server_start_with_tls(bool wants_certificates, const char *const more[])
{
    server_make_directory();
    if (access(certificate_path("ca.pem"), F_OK) != 0)
        server_make_certificates();
    if (server.tls_port == 0)
        server.tls_port = redis_node_port();
    snprintf(server.tls_address, sizeof(server.tls_address), "127.0.0.1:%d", server.tls_port);
    const char *port = strchr(server.tls_address, ':') + 1;
    const char *all[MORE_MAX + 1] = {"--tls-port",         port,
                                     "--tls-cert-file",    certificate_path("server.pem"),
                                     "--tls-key-file",     certificate_path("server.key"),
                                     "--tls-ca-cert-file", certificate_path("ca.pem"),
                                     "--tls-auth-clients", wants_certificates ? "yes" : "no"};
    size_t count = 10;
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        all[count++] = more[i];
    start(all);
}

/* The options' texts outlive the context. */
struct redis_tls *server_tls(void)
{
    static struct redis_tls *tls;
    static char ca[128];
    char reason[256] = "";
    if (tls != NULL)
        return tls;
    snprintf(ca, sizeof(ca), "%s", certificate_path("ca.pem"));
    if (access(ca, F_OK) != 0)
        server_make_certificates();
    tls = redis_tls_new(&(struct redis_tls_options){.ca = ca}, reason, sizeof(reason));
    cr_assert_not_null(tls, "%s", reason);
    return tls;
}

/* -------------------- its users -------------------- */

static const char password[] = "only for tests";

/* As compose/init writes them, but that the default user may do everything. Redis 7.0 does not know WAITAOF. */
static void write_users(const char *path)
{
    struct buffer output = {0};
    char *script = NULL;
    cr_assert_gt(
        asprintf(
            &script,
            "hash=$(printf '%%s' '%s' | sha256sum | cut -d ' ' -f 1) && "
            "if redis-server --version | grep -q ' v=7\\.0\\.'; then unknown=' +waitaof'; fi && "
            "sed -e \"s/${unknown:- +none}//\" -e '/^#/d' -e \"s/@[A-Z]*_SHA256@/$hash/\" -e 's/^user default .*/user default on nopass ~* "
            "\\&* +@all/' compose/users.acl >'%s'",
            password, path),
        0);
    int status = process_run((const char *const[]){"sh", "-c", script, NULL}, NULL, &output, START_TIMEOUT_MS);
    cr_assert_eq(status, 0, "%.*s", (int)output.length, output.data);
    buffer_fini(&output);
    free(script);
}

void server_start_with_users(const char *const more[])
{
    char path[128];
    const char *all[MORE_MAX + 1] = {"--aclfile", path};
    size_t count = 2;
    server_make_directory();
    snprintf(path, sizeof(path), "%s/users.acl", server.directory);
    write_users(path);
    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        all[count++] = more[i];
    server_start(all);
}

struct redis_options worker_options(void)
{
    struct redis_options options = quick_options();
    options.credentials.username = "midstream";
    options.credentials.password = password;
    return options;
}

void server_start_replica(void)
{
    server.replica_port = redis_node_port();
    server.replica = redis_node_start(server.directory, server.replica_port, server.port);
}

void server_stop(int signal_number)
{
    process_signal(server.pid, signal_number);
    cr_assert_geq(process_wait(server.pid, START_TIMEOUT_MS), 0);
    server.pid = 0;
}

void server_fini(void)
{
    if (server.replica != 0)
        process_signal(server.replica, SIGKILL);
    if (server.pid != 0)
        server_stop(SIGKILL);
    DIR *directory = opendir(server.directory);
    for (struct dirent *file; directory != NULL && (file = readdir(directory)) != NULL;)
        if (file->d_name[0] != '.')
            unlinkat(dirfd(directory), file->d_name, 0);
    if (directory != NULL)
        closedir(directory);
    rmdir(server.directory);
}

/* -------------------- scenarios -------------------- */

struct redis_options quick_options(void)
{
    bool is_by_tls = server_is_by_tls() && server.tls_port != 0;
    return (struct redis_options){
        .address = is_by_tls ? server.tls_address : server.address,
        .tls = is_by_tls ? server_tls() : NULL,
        .timeout_ms = 300,
        .backoff_ms = 10,
        .backoff_max_ms = 50,
        .pending_limit = 2000,
    };
}

static void run_then_stop(void *arg)
{
    fiber_fn *scenario = *(fiber_fn **)arg;
    scenario(NULL);
    while (fiber_count() > 1)
        loop_yield();
    loop_stop();
}

void run_scenario(fiber_fn *scenario)
{
    signal(SIGPIPE, SIG_IGN);
    fiber_init(256 * 1024, 2000);
    loop_init();
    cr_assert(loop_spawn(run_then_stop, &scenario));
    loop_run();
    loop_fini();
    fiber_fini();
}

struct redis_client *ready_client(const struct redis_options *options)
{
    struct redis_client *client = redis_client_new(options);
    cr_assert_not_null(client);
    cr_assert(redis_client_wait_ready(client, 10000));
    return client;
}

static enum mid_error copy_answer(const struct redisReply *reply, void *arg)
{
    struct answer *answer = arg;
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(answer->text, sizeof(answer->text), "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_NIL)
        snprintf(answer->text, sizeof(answer->text), "(nil)");
    else
        snprintf(answer->text, sizeof(answer->text), "%s", reply->str);
    return MID_OK;
}

enum mid_error ask(struct redis_client *client, struct answer *answer, bool *was_sent, const char *const words[])
{
    struct redis_argument arguments[WORDS_MAX];
    size_t count = 0;
    for (; words[count] != NULL; count++)
        arguments[count] = REDIS_TEXT(words[count]);
    struct redis_call call = {.on_reply = answer != NULL ? copy_answer : NULL, .arg = answer};
    enum mid_error error = redis_command(client, count, arguments, &call);
    if (was_sent != NULL)
        *was_sent = call.was_sent;
    return error;
}
