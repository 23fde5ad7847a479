/* What takes itself for a Redis. See pretender.h. */
#include "pretender.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

enum { CLIENTS_MAX = 8, REQUEST_BYTES = 16 * 1024, REPLY_BYTES = 4096, PIECE_PAUSE_US = 20000 };

/* Piece by piece, where there is a PRETENDER_CUT. */
static bool send_pieces(int fd, const char *reply)
{
    for (;;) {
        size_t bytes = strcspn(reply, PRETENDER_CUT);
        if (send(fd, reply, bytes, MSG_NOSIGNAL) < 0)
            return false;
        if (reply[bytes] == '\0')
            return true;
        usleep(PIECE_PAUSE_US);
        reply += bytes + 1;
    }
}

/* One request. False: the client has gone. */
static bool serve(int fd, pretender_fn *answer)
{
    char request[REQUEST_BYTES];
    ssize_t bytes = read(fd, request, sizeof(request) - 1);
    if (bytes <= 0)
        return false;
    request[bytes] = '\0';
    /* HELLO and PING come together. */
    char reply[REPLY_BYTES] = "+PONG\r\n";
    if (strstr(request, "HELLO") != NULL)
        strcpy(reply, "+OK\r\n+PONG\r\n");
    answer(request, reply, sizeof(reply));
    return send_pieces(fd, reply);
}

/* The first of them accepts; -1 is ignored by poll(2). */
static void *pretend(void *arg)
{
    struct pretender *pretender = arg;
    struct pollfd fds[1 + CLIENTS_MAX] = {{.fd = pretender->listen_fd, .events = POLLIN}};
    size_t count = 1;
    while (poll(fds, count, -1) > 0 && (fds[0].revents & (POLLHUP | POLLERR)) == 0) {
        for (size_t i = 1; i < count; i++) {
            if (fds[i].revents == 0 || serve(fds[i].fd, pretender->answer))
                continue;
            close(fds[i].fd);
            fds[i--] = fds[--count];
        }
        if (fds[0].revents == 0)
            continue;
        int fd = accept(pretender->listen_fd, NULL, NULL);
        if (fd >= 0 && count <= CLIENTS_MAX)
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        else if (fd >= 0)
            close(fd);
    }
    while (count > 1)
        close(fds[--count].fd);
    return NULL;
}

static void start(struct pretender *pretender, pretender_fn *answer, const struct sockaddr *name, socklen_t bytes)
{
    pretender->answer = answer;
    pretender->listen_fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(pretender->listen_fd, name, bytes) == 0 && listen(pretender->listen_fd, CLIENTS_MAX) == 0);
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
