/* A Redis server for one test. See redis_server.h. */
#include "testing/redis_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/panic.h"
#include "testing/clock.h"

enum { START_MS = 10000, LOOK_MS = 5 };

static bool answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char said[8] = "";
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0);
    bool is_ready = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
                    write(fd, "PING\r\n", 6) == 6 && read(fd, said, sizeof(said)) > 0 && strncmp(said, "+PONG", 5) == 0;
    close(fd);
    return is_ready;
}

_Noreturn static void become_server(const char *path, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* for its log */
    dup2(nowhere, STDOUT_FILENO);
    if (getppid() == parent)
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
               "--loglevel", "warning", "--dir", "/", NULL);
    _exit(127);
}

pid_t redis_server_start(const char *path)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_server(path, parent);
    if (pid < 0)
        panic("fork for redis-server: %s", strerror(errno));
    int64_t end_ms = test_clock_real_ms() + START_MS;
    while (!answers(path)) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            panic("redis-server does not start; is it installed?");
        if (test_clock_real_ms() > end_ms)
            panic("redis-server does not answer within %d ms", START_MS);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return pid;
}

void redis_server_end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}
