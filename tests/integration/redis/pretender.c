/* What takes itself for a Redis. See pretender.h. */
#include "pretender.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

static void serve(int fd, pretender_fn *answer)
{
    char request[256];
    for (ssize_t bytes; (bytes = read(fd, request, sizeof(request) - 1)) > 0;) {
        request[bytes] = '\0';
        /* HELLO and PING come together. */
        char reply[256] = "+PONG\r\n";
        if (strstr(request, "HELLO") != NULL)
            strcpy(reply, "+OK\r\n+PONG\r\n");
        answer(request, reply, sizeof(reply));
        if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
}

static void *pretend(void *arg)
{
    struct pretender *pretender = arg;
    for (int fd; (fd = accept(pretender->listen_fd, NULL, NULL)) >= 0;)
        serve(fd, pretender->answer);
    return NULL;
}

static void start(struct pretender *pretender, pretender_fn *answer, const struct sockaddr *name, socklen_t bytes)
{
    pretender->answer = answer;
    pretender->listen_fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(pretender->listen_fd, name, bytes) == 0 && listen(pretender->listen_fd, 4) == 0);
    cr_assert_eq(pthread_create(&pretender->thread, NULL, pretend, pretender), 0);
}

void pretender_start(struct pretender *pretender, pretender_fn *answer)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    server_make_directory();
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", server.socket_path);
    start(pretender, answer, (const struct sockaddr *)&name, sizeof(name));
}

int pretender_start_tcp(struct pretender *pretender, pretender_fn *answer)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(name);
    start(pretender, answer, (const struct sockaddr *)&name, sizeof(name));
    cr_assert_eq(getsockname(pretender->listen_fd, (struct sockaddr *)&name, &bytes), 0);
    return ntohs(name.sin_port);
}

void pretender_stop(struct pretender *pretender)
{
    shutdown(pretender->listen_fd, SHUT_RDWR); /* accept() returns then */
    cr_assert_eq(pthread_join(pretender->thread, NULL), 0);
    close(pretender->listen_fd);
}
