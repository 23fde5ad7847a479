/* Listening sockets. See listen.h. */
#include "runtime/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static const char unix_prefix[] = "unix:";

static const char *unix_path(const char *address)
{
    size_t length = sizeof(unix_prefix) - 1;
    return strncmp(address, unix_prefix, length) == 0 ? address + length : NULL;
}

static int fail(int fd, const char *address, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "cannot listen on %s: %s", address, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A socket file that refuses connections belongs to nobody. */
static void remove_dead_socket(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(probe);
}

static int open_unix(const char *address, const char *path, char *reason, size_t reason_size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) == 0 || strlen(path) >= sizeof(name.sun_path)) {
        snprintf(reason, reason_size, "cannot listen on %s: a socket's path has 1 to %zu bytes", address,
                 sizeof(name.sun_path) - 1);
        return -1;
    }
    strcpy(name.sun_path, path);
    remove_dead_socket(&name);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, address, reason, reason_size);
    mode_t mask = umask(0117); /* 0660: who can connect can speak for the web server */
    int bound = bind(fd, (const struct sockaddr *)&name, sizeof(name));
    umask(mask);
    if (bound != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd, address, reason, reason_size);
    return fd;
}

static int open_tcp(const char *address, char *reason, size_t reason_size)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host)) {
        snprintf(reason, reason_size, "cannot listen on \"%s\": expected unix:PATH or HOST:PORT", address);
        return -1;
    }
    size_t length = (size_t)(colon - address);
    bool is_bracketed = length >= 2 && address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(is_bracketed ? length - 2 : length), address + is_bracketed);

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int result = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &found);
    if (result != 0) {
        snprintf(reason, reason_size, "cannot listen on \"%s\": %s", address, gai_strerror(result));
        return -1;
    }
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                   bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    freeaddrinfo(found);
    return is_open ? fd : fail(fd, address, reason, reason_size);
}

int listen_open(const char *address, char *reason, size_t reason_size)
{
    const char *path = unix_path(address);
    return path != NULL ? open_unix(address, path, reason, reason_size) : open_tcp(address, reason, reason_size);
}

bool listen_is_per_worker(const char *pattern)
{
    return strchr(pattern, '%') != NULL;
}

void listen_address(const char *pattern, int worker, char *address, size_t size)
{
    size_t length = 0;
    for (; *pattern != '\0' && length + 1 < size; pattern++) {
        if (*pattern == '%')
            length += (size_t)snprintf(address + length, size - length, "%d", worker);
        else
            address[length++] = *pattern;
    }
    address[length < size ? length : size - 1] = '\0';
}

void listen_remove(const char *address)
{
    const char *path = unix_path(address);
    if (path != NULL)
        unlink(path);
}
