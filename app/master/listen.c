/* One listening socket. See listen.h. */
#include "master/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/number.h"

enum { BACKLOG = 4096, DESCRIPTOR_MAX = 1 << 20 };

static int fail(int fd, const char *address, const char *why, char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "cannot listen on \"%s\": %s", address, why);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What follows the prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

const char *listen_unix_path(const char *address)
{
    return after(address, "unix:");
}

/* -------------------- unix -------------------- */

static bool parse_unix(const char *address, struct sockaddr_un *name, char *reason, size_t reason_size)
{
    const char *path = listen_unix_path(address);
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) == 0 || strlen(path) >= sizeof(name->sun_path)) {
        snprintf(reason, reason_size, "cannot listen on \"%s\": a socket's path has 1 to %zu bytes", address,
                 sizeof(name->sun_path) - 1);
        return false;
    }
    strcpy(name->sun_path, path);
    return true;
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

static bool find_group(const char *name, gid_t *group, char *reason, size_t reason_size)
{
    int64_t number;
    const struct group *entry = getgrnam(name);
    if (entry != NULL) {
        *group = entry->gr_gid;
        return true;
    }
    if (number_parse(name, &number) && number >= 0 && number < UINT32_MAX) {
        *group = (gid_t)number;
        return true;
    }
    snprintf(reason, reason_size, "listen-group is \"%s\"; it has to be a group of this machine", name);
    return false;
}

static int open_unix(const char *address, const char *group_name, char *reason, size_t reason_size)
{
    struct sockaddr_un name;
    gid_t group = (gid_t)-1;
    if (!parse_unix(address, &name, reason, reason_size) ||
        (group_name != NULL && !find_group(group_name, &group, reason, reason_size)))
        return -1;
    remove_dead_socket(&name);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(fd, address, strerror(errno), reason, reason_size);
    mode_t mask = umask(0117); /* 0660: who can connect can speak for the web server */
    int bound = bind(fd, (const struct sockaddr *)&name, sizeof(name));
    umask(mask);
    if (bound != 0)
        return fail(fd, address, strerror(errno), reason, reason_size);
    if ((group_name == NULL || chown(name.sun_path, (uid_t)-1, group) == 0) && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    unlink(name.sun_path);
    return fail(fd, address, strerror(error), reason, reason_size);
}

void listen_remove(const char *address)
{
    const char *path = listen_unix_path(address);
    if (path != NULL)
        unlink(path);
}

/* -------------------- TCP -------------------- */

/* NULL with a reason; otherwise for freeaddrinfo(). */
static struct addrinfo *resolve_tcp(const char *address, char *reason, size_t reason_size)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    int64_t port;
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host) || !number_parse(colon + 1, &port) || port < 1 ||
        port > UINT16_MAX) {
        fail(-1, address, "expected unix:PATH, HOST:PORT, fd:N or systemd, with a port from 1 to 65535", reason,
             reason_size);
        return NULL;
    }
    size_t length = (size_t)(colon - address);
    bool is_bracketed = length >= 2 && address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(is_bracketed ? length - 2 : length), address + is_bracketed);

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, &found);
    if (result != 0)
        fail(-1, address, gai_strerror(result), reason, reason_size);
    return result == 0 ? found : NULL;
}

/* Connections inherit it: a piece of a stream must not wait for the acknowledgement of the last one. */
static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* no effect on other sockets */
}

static int open_tcp(const char *address, char *reason, size_t reason_size)
{
    struct addrinfo *found = resolve_tcp(address, reason, reason_size);
    if (found == NULL)
        return -1;
    int on = 1;
    int off = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && found->ai_family == AF_INET6) /* whatever net.ipv6.bindv6only says */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    bool is_open = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                   bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int error = errno;
    freeaddrinfo(found);
    if (!is_open)
        return fail(fd, address, strerror(error), reason, reason_size);
    set_no_delay(fd);
    return fd;
}

/* -------------------- handed over -------------------- */

static bool parse_descriptor(const char *address, int *fd, char *reason, size_t reason_size)
{
    int64_t number;
    if (!number_parse(after(address, "fd:"), &number) || number < 0 || number > DESCRIPTOR_MAX) {
        fail(-1, address, "expected fd:N with the number of a descriptor", reason, reason_size);
        return false;
    }
    *fd = (int)number;
    return true;
}

bool listen_take_over(int fd, const char *address, char *reason, size_t reason_size)
{
    int type = 0;
    int is_listening = 0;
    socklen_t size = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0) {
        fail(-1, address, strerror(errno), reason, reason_size);
        return false;
    }
    if (type != SOCK_STREAM || !is_listening) {
        fail(-1, address, "it is not a listening stream socket", reason, reason_size);
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    set_no_delay(fd);
    return true;
}

/* -------------------- the interface -------------------- */

int listen_open(const char *address, const char *group, char *reason, size_t reason_size)
{
    if (listen_unix_path(address) != NULL)
        return open_unix(address, group, reason, reason_size);
    if (after(address, "fd:") == NULL)
        return open_tcp(address, reason, reason_size);
    int fd;
    bool is_taken =
        parse_descriptor(address, &fd, reason, reason_size) && listen_take_over(fd, address, reason, reason_size);
    return is_taken ? fd : -1;
}

bool listen_check(const char *address, char *reason, size_t reason_size)
{
    struct sockaddr_un name;
    int fd;
    if (listen_unix_path(address) != NULL)
        return parse_unix(address, &name, reason, reason_size);
    if (after(address, "fd:") != NULL)
        return parse_descriptor(address, &fd, reason, reason_size);
    struct addrinfo *found = resolve_tcp(address, reason, reason_size);
    if (found == NULL)
        return false;
    freeaddrinfo(found);
    return true;
}

bool listen_check_group(const char *group, char *reason, size_t reason_size)
{
    gid_t unused;
    return group == NULL || find_group(group, &unused, reason, reason_size);
}
