/* A socket that connects to where Redis listens. See connect.h. */
#include "redis/connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/panic.h"

/* An idle peer that vanished is noticed within half a minute, before it is needed. */
enum { KEEPALIVE_IDLE_S = 15, KEEPALIVE_INTERVAL_S = 5, KEEPALIVE_PROBES = 3 };

static int failed(int fd, int error, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s", strerror(error));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Best effort: without them it works as well. */
static void set_tcp_options(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

static int connect_to(int family, const struct sockaddr *address, socklen_t bytes, char *reason, size_t reason_size)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(-1, errno, reason, reason_size);
    if (family != AF_UNIX)
        set_tcp_options(fd);
    if (connect(fd, address, bytes) != 0 && errno != EINPROGRESS)
        return failed(fd, errno, reason, reason_size);
    return fd;
}

static int connect_unix(const struct redis_address *address, char *reason, size_t reason_size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    ENSURE(strlen(address->host) < sizeof(name.sun_path));
    strcpy(name.sun_path, address->host);
    return connect_to(AF_UNIX, (const struct sockaddr *)&name, sizeof(name), reason, reason_size);
}

/* getaddrinfo() reads a numeric host with its zone; it asks nobody. */
static int connect_tcp(const struct redis_address *address, char *reason, size_t reason_size)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    char port[16];
    struct addrinfo *found;
    snprintf(port, sizeof(port), "%d", address->port);
    int status = getaddrinfo(address->host, port, &hints, &found);
    if (status != 0) {
        snprintf(reason, reason_size, "%s: %s", address->host, gai_strerror(status));
        return -1;
    }
    int fd = connect_to(found->ai_family, found->ai_addr, found->ai_addrlen, reason, reason_size);
    freeaddrinfo(found);
    return fd;
}

int redis_connect(const struct redis_address *address, char *reason, size_t reason_size)
{
    return address->is_unix ? connect_unix(address, reason, reason_size) : connect_tcp(address, reason, reason_size);
}
