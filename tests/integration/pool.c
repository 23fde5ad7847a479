/* The master and its workers: where they listen, what happens when a worker dies or hangs, and how they end. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "fastcgi.h"
#include "master.h"
#include "site.h"

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* -------------------- where it listens -------------------- */

static struct sockaddr_in6 loopback(int port)
{
    return (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
}

static int free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    close(fd);
    return ntohs(name.sin_port);
}

/* -1 when nobody listens there. */
static int connect_tcp(int family, int port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = loopback(port);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    bool is_connected = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4)) == 0
                                          : connect(fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;
    if (is_connected)
        return fd;
    close(fd);
    return -1;
}

/* A machine without IPv6 cannot be asked about it. */
static bool has_ipv6(void)
{
    struct sockaddr_in6 name = loopback(0);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

Test(pool, it_listens_on_unix_and_tcp_of_both_families_at_once)
{
    struct master master = master_prepare();
    int port = free_port();
    int port6 = free_port();
    bool with_ipv6 = has_ipv6();
    OWNED char *listen = with_ipv6 ? text_printf("unix:%s,127.0.0.1:%d,[::1]:%d", master.socket, port, port6)
                                   : text_printf("unix:%s,127.0.0.1:%d", master.socket, port);
    master_start(&master, &(struct master_options){.flags = FLAGS("--listen", listen)});
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    cr_expect(master_answers(connect_tcp(AF_INET, port), "/null"));
    if (with_ipv6)
        cr_expect(master_answers(connect_tcp(AF_INET6, port6), "/null"));
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_eq(connect_tcp(AF_INET, port), -1);
    cr_expect_neq(access(master.socket, F_OK), 0);
    master_close(&master);
}

Test(pool, a_unix_socket_is_for_its_group_only)
{
    struct master master = master_prepare();
    const struct group *nginx = getgrnam("www-data");
    bool may_choose = nginx != NULL && geteuid() == 0;
    master_start(&master, &(struct master_options){.flags = may_choose ? FLAGS("--listen-group", "www-data") : NULL});
    struct stat status;
    cr_assert_eq(stat(master.socket, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0660);
    if (may_choose)
        cr_expect_eq(status.st_gid, nginx->gr_gid);
    master_close(&master);
}

/* A listening socket as somebody else opens it. */
static int open_listener(const char *path)
{
    int fd = fastcgi_listen(path);
    cr_assert_eq(listen(fd, 128), 0);
    return fd;
}

Test(pool, it_takes_descriptor_0_as_spawn_fcgi_hands_it_over)
{
    struct master master = master_prepare();
    int fd = open_listener(master.socket);
    master_start(&master, &(struct master_options){.flags = FLAGS("--listen", "fd:0"), .input_fd = fd});
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_eq(access(master.socket, F_OK), 0, "the file is somebody else's");
    close(fastcgi_connect(master.socket)); /* and so is the socket, which still listens */
    close(fd);
    master_close(&master);
}

Test(pool, it_takes_the_sockets_of_systemd)
{
    static const char as_systemd[] = "exec 3<&0 4<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";
    struct master master = master_prepare();
    int fd = open_listener(master.socket);
    master_start(&master, &(struct master_options){
                              .flags = FLAGS("--listen", "systemd"), .input_fd = fd, .wrapper = as_systemd});
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    close(fd);
    master_close(&master);
}

Test(pool, what_is_no_listening_socket_is_refused)
{
    static const struct {
        const char *listen;
        const char *reason;
    } rows[] = {
        {"fd:0", "cannot listen on \"fd:0\": Socket operation on non-socket"},
        {"fd:99", "cannot listen on \"fd:99\": Bad file descriptor"},
        {"fd:x", "expected fd:N"},
        {"systemd", "systemd has not handed over 1 to 8 sockets"},
        {"127.0.0.1", "expected unix:PATH, HOST:PORT, fd:N or systemd"},
        {"127.0.0.1:0", "a port from 1 to 65535"},
        {"unix:", "a socket's path has 1 to 107 bytes"},
        {"unix:/nowhere/socket", "No such file or directory"},
        {"no.such.host.invalid:9000", "cannot listen on \"no.such.host.invalid:9000\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct master master = master_prepare();
        master_start(&master, &(struct master_options){.flags = FLAGS("--listen", rows[i].listen), .fails = true});
        cr_expect_eq(master_end(&master, 0), 1);
        OWNED char *log = master_log(&master);
        cr_expect_not_null(strstr(log, rows[i].reason), "%s: %s", rows[i].listen, log);
        master_close(&master);
    }
}

/* -------------------- workers that die or hang -------------------- */

Test(pool, a_killed_worker_is_back_within_a_second)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--workers", "1")});
    pid_t worker;
    master_workers(&master, &worker, 1);
    int64_t begun_ms = clock_monotonic_ms();
    process_signal(worker, SIGKILL);
    cr_expect(master_wait_log(&master, "worker.start", 2));
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    int64_t ms = clock_monotonic_ms() - begun_ms;
    cr_log_info("back after %d ms", (int)ms);
    master_close(&master);
}

/* Only a reset tells nginx that the response is cut, on TCP as on unix sockets. */
Test(pool, a_killed_worker_resets_its_tcp_connections)
{
    struct master master = master_prepare();
    OWNED char *listen = text_printf("127.0.0.1:%d", free_port());
    master_start(&master,
                 &(struct master_options){.flags = FLAGS("--listen", listen, "--workers", "1"), .is_app = true});
    int fd = connect_tcp(AF_INET, (int)strtol(strchr(listen, ':') + 1, NULL, 10));
    struct buffer request = {0};
    fastcgi_get(&request, "/big?bytes=16777216", NULL, FASTCGI_KEEP);
    fastcgi_write(fd, &request);
    char piece[4096];
    cr_assert_gt(recv(fd, piece, sizeof(piece), 0), 0);
    pid_t worker;
    master_workers(&master, &worker, 1);
    process_signal(worker, SIGKILL);
    ssize_t got;
    while ((got = recv(fd, piece, sizeof(piece), 0)) > 0)
        continue;
    cr_expect(got < 0 && errno == ECONNRESET, "an end of file would pass for the end of the response");
    buffer_fini(&request);
    close(fd);
    master_close(&master);
}

Test(pool, a_stopped_worker_is_killed_and_replaced)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--watchdog-ms", "1000")});
    pid_t workers[2];
    master_workers(&master, workers, 2);
    process_signal(workers[0], SIGSTOP);
    cr_expect(master_wait_log(&master, "worker.start", 3));
    cr_expect_not(process_is_alive(workers[0]));
    cr_expect(process_is_alive(workers[1]), "the other one ticks, and lives");
    OWNED char *log = master_log(&master);
    OWNED char *wedged = text_printf("pid=%d silent_ms=", (int)workers[0]);
    cr_expect_eq(text_count(log, "worker.wedged"), 1, "%s", log);
    cr_expect_not_null(strstr(log, wedged), "%s", log);
    master_close(&master);
}

Test(pool, a_worker_whose_handler_spins_is_replaced_and_its_route_named)
{
    struct master master = master_open(
        &(struct master_options){.flags = FLAGS("--watchdog-ms", "1000", "--workers", "1"), .is_app = true});
    cr_expect_not(master_answers(fastcgi_connect(master.socket), "/spin?ms=20000"), "it has answered");
    cr_expect(master_wait_log(&master, "worker.start", 2));
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    OWNED char *log = master_log(&master);
    cr_expect_not_null(strstr(log, "last_route=/spin\n"), "%s", log);
    master_close(&master);
}

/* A master that was stopped itself, like all processes of a frozen container, must not blame its workers. */
Test(pool, after_a_pause_of_all_processes_nobody_is_killed)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--watchdog-ms", "1000")});
    pid_t workers[2];
    master_workers(&master, workers, 2);
    process_signal(master.pid, SIGSTOP);
    process_signal(workers[0], SIGSTOP);
    process_signal(workers[1], SIGSTOP);
    usleep(3500 * 1000); /* the pause is what is tested */
    process_signal(master.pid, SIGCONT);
    usleep(300 * 1000); /* the master looks first */
    process_signal(workers[0], SIGCONT);
    process_signal(workers[1], SIGCONT);
    cr_expect(master_answers(fastcgi_connect(master.socket), "/null"));
    OWNED char *log = master_log(&master);
    cr_expect_null(strstr(log, "worker.wedged"), "%s", log);
    master_close(&master);
}

/* The process id that the log names last in a line of that beginning. */
static pid_t last_pid(const struct master *master, const char *line)
{
    OWNED char *log = master_log(master);
    const char *last = NULL;
    for (const char *at = log; (at = strstr(at, line)) != NULL; at++)
        last = at;
    cr_assert_not_null(last, "%s", log);
    pid_t pid = (pid_t)strtol(last + strlen(line), NULL, 10);
    return pid;
}

Test(pool, a_crash_loop_slows_down_is_said_once_and_leaves_the_other_worker_alone)
{
    struct master master = master_open(NULL);
    size_t starts = 1;
    for (bool is_looping = false; !is_looping; starts++) {
        process_signal(last_pid(&master, "worker.start worker=0 pid="), SIGKILL);
        cr_assert(master_wait_log(&master, "worker.killed worker=0 ", starts));
        cr_assert(master_answers(fastcgi_connect(master.socket), "/null"), "the other worker serves");
        OWNED char *log = master_log(&master);
        is_looping = strstr(log, "worker.crash-loop worker=0 deaths=7") != NULL;
        cr_assert_lt(starts, 8);
        cr_assert(is_looping || master_wait_log(&master, "worker.start worker=0 ", starts + 1));
    }
    OWNED char *log = master_log(&master);
    cr_expect_eq(text_count(log, "worker.crash-loop"), 1, "%s", log);
    cr_expect_eq(text_count(log, "worker.killed worker=0"), 7, "%s", log);
    master_close(&master);
}

/* -------------------- the end -------------------- */

/* A request that never ends, which a worker has begun to read. */
static int begin_request(const struct master *master)
{
    struct buffer half = {0};
    fastcgi_begin(&half, 1, FASTCGI_RESPONDER, FASTCGI_KEEP);
    int fd = fastcgi_connect(master->socket);
    fastcgi_write(fd, &half);
    buffer_fini(&half);
    return fd;
}

Test(pool, a_second_signal_ends_at_once)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--drain-timeout-ms", "3600000")});
    int busy = begin_request(&master);
    process_signal(master.pid, SIGTERM);
    cr_assert(master_wait_log(&master, "worker.exit", 1), "one of the two has nothing to do");
    cr_expect(process_is_alive(master.pid), "the request of the other has to be waited for");
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    close(busy);
    master_close(&master);
}

Test(pool, it_does_not_wait_longer_than_the_drain_timeout)
{
    struct master master = master_open(&(struct master_options){.flags = FLAGS("--drain-timeout-ms", "300")});
    int busy = begin_request(&master);
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    OWNED char *log = master_log(&master);
    cr_expect_eq(text_count(log, "unfinished=1"), 1, "%s", log);
    close(busy);
    master_close(&master);
}

Test(pool, a_worker_that_does_not_stop_is_killed)
{
    struct master master =
        master_open(&(struct master_options){.flags = FLAGS("--drain-timeout-ms", "100", "--watchdog-ms", "0")});
    pid_t workers[2];
    master_workers(&master, workers, 2);
    process_signal(workers[0], SIGSTOP);
    cr_expect_eq(master_end(&master, SIGTERM), 0);
    cr_expect_not(process_is_alive(workers[0]));
    master_close(&master);
}

/* -------------------- systemd -------------------- */

static int notify_listen(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* Waits for a message that begins so, and passes over pets of the watchdog. Their number. */
static int expect_notice(int fd, const char *wanted)
{
    static const char pet[] = "WATCHDOG=1";
    int pets = 0;
    for (;;) {
        char text[256];
        ssize_t got = recv(fd, text, sizeof(text) - 1, 0);
        cr_assert_gt(got, 0, "%s did not come: %s", wanted, strerror(errno));
        text[got] = '\0';
        if (strncmp(text, wanted, strlen(wanted)) == 0)
            return pets;
        cr_assert_str_eq(text, pet);
        pets++;
    }
}

Test(pool, systemd_is_told_of_start_reload_and_stop_and_its_watchdog_is_petted)
{
    struct master master = master_prepare();
    OWNED char *path = master_path(&master, "notify");
    OWNED char *socket = text_printf("NOTIFY_SOCKET=%s", path);
    int fd = notify_listen(path);
    master_start(&master, &(struct master_options){.environment = FLAGS(socket, "WATCHDOG_USEC=200000")});
    expect_notice(fd, "READY=1");
    expect_notice(fd, "WATCHDOG=1");
    process_signal(master.pid, SIGHUP);
    expect_notice(fd, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notice(fd, "READY=1");
    process_signal(master.pid, SIGTERM);
    expect_notice(fd, "STOPPING=1");
    cr_expect_eq(master_end(&master, 0), 0);
    close(fd);
    master_close(&master);
}
