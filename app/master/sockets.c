/* The listening sockets of the pool. See sockets.h. */
#include "master/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/number.h"
#include "base/panic.h"
#include "master/listen.h"

enum {
    ADDRESS_BYTES = 256,
    SYSTEMD_FIRST_FD = 3, /* sd_listen_fds(3) */
};

/* Every open socket once, with what closing it needs. */
struct listen_socket {
    int fd;
    bool was_handed_over;
    char unix_path[ADDRESS_BYTES]; /* empty: it is none */
};

static struct {
    struct socket_set *sets; /* one for each worker */
    int set_count;
    struct listen_socket *open;
    int open_count;
} sockets;

/* -------------------- the setting -------------------- */

/* Takes the next address of a list; false at its end. */
static bool next_address(const char **list, char address[static ADDRESS_BYTES])
{
    if (**list == '\0')
        return false;
    size_t length = strcspn(*list, ",");
    snprintf(address, ADDRESS_BYTES, "%.*s", (int)length, *list);
    *list += length + ((*list)[length] == ',');
    return true;
}

/* "unix:/run/app%.sock" for worker 3 is "unix:/run/app3.sock". */
static void expand(const char *pattern, int worker, char address[static ADDRESS_BYTES])
{
    size_t length = 0;
    for (; *pattern != '\0' && length + 4 < ADDRESS_BYTES; pattern++) {
        if (*pattern == '%')
            length += (size_t)snprintf(address + length, ADDRESS_BYTES - length, "%d", worker);
        else
            address[length++] = *pattern;
    }
    address[length] = '\0';
}

bool sockets_are_per_worker(const struct settings *settings)
{
    return strchr(settings->listen, '%') != NULL;
}

bool sockets_check(const struct settings *settings, int workers, char *reason, size_t reason_size)
{
    const char *list = settings->listen;
    char pattern[ADDRESS_BYTES];
    char address[ADDRESS_BYTES];
    int count = 0;
    while (next_address(&list, pattern)) {
        expand(pattern, workers - 1, address); /* the longest */
        if (strcmp(address, "systemd") != 0 && !listen_check(address, reason, reason_size))
            return false;
        count++;
    }
    if (count < 1 || count > WORKER_SOCKETS_MAX) {
        snprintf(reason, reason_size, "listen is \"%s\"; it has to be 1 to %d addresses", settings->listen,
                 WORKER_SOCKETS_MAX);
        return false;
    }
    return listen_check_group(settings->listen_group, reason, reason_size);
}

/* -------------------- opening -------------------- */

static bool add_to_set(struct socket_set *set, int fd, bool is_shared, char *reason, size_t reason_size)
{
    if (set->count == WORKER_SOCKETS_MAX) {
        snprintf(reason, reason_size, "a worker can listen on at most %d sockets", WORKER_SOCKETS_MAX);
        return false;
    }
    set->sockets[set->count].fd = fd;
    set->sockets[set->count].is_shared = is_shared;
    set->count++;
    return true;
}

/* A socket for worker `only`, or for all of them (-1). */
static bool add(int fd, const char *address, bool was_handed_over, int only, char *reason, size_t reason_size)
{
    struct listen_socket *grown =
        reallocarray(sockets.open, (size_t)sockets.open_count + 1, sizeof(struct listen_socket));
    if (grown == NULL)
        panic("out of memory for %d sockets", sockets.open_count);
    sockets.open = grown;
    struct listen_socket *added = &sockets.open[sockets.open_count++];
    const char *path = was_handed_over ? NULL : listen_unix_path(address);
    *added = (struct listen_socket){.fd = fd, .was_handed_over = was_handed_over};
    snprintf(added->unix_path, sizeof(added->unix_path), "%s", path != NULL ? path : "");

    for (int worker = 0; worker < sockets.set_count; worker++)
        if ((only < 0 || only == worker) && !add_to_set(&sockets.sets[worker], fd, only < 0, reason, reason_size))
            return false;
    return true;
}

static bool open_one(const struct settings *settings, const char *address, int only, char *reason, size_t reason_size)
{
    int fd = listen_open(address, settings->listen_group, reason, reason_size);
    bool was_handed_over = strncmp(address, "fd:", 3) == 0;
    return fd >= 0 && add(fd, address, was_handed_over, only, reason, reason_size);
}

static bool read_number(const char *variable, int64_t *number)
{
    const char *text = getenv(variable);
    return text != NULL && number_parse(text, number);
}

/* All sockets that systemd has opened for this process. */
static bool take_over_systemd(char *reason, size_t reason_size)
{
    int64_t pid;
    int64_t count;
    if (!read_number("LISTEN_PID", &pid) || pid != getpid() || !read_number("LISTEN_FDS", &count) || count < 1 ||
        count > WORKER_SOCKETS_MAX) {
        snprintf(reason, reason_size,
                 "listen is \"systemd\", but systemd has not handed over 1 to %d sockets (LISTEN_PID, LISTEN_FDS)",
                 WORKER_SOCKETS_MAX);
        return false;
    }
    for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + count; fd++)
        if (!listen_take_over(fd, "systemd", reason, reason_size) || !add(fd, "systemd", true, -1, reason, reason_size))
            return false;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return true;
}

static bool open_pattern(const struct settings *settings, const char *pattern, char *reason, size_t reason_size)
{
    if (strcmp(pattern, "systemd") == 0)
        return take_over_systemd(reason, reason_size);
    if (strchr(pattern, '%') == NULL)
        return open_one(settings, pattern, -1, reason, reason_size);
    for (int worker = 0; worker < sockets.set_count; worker++) {
        char address[ADDRESS_BYTES];
        expand(pattern, worker, address);
        if (!open_one(settings, address, worker, reason, reason_size))
            return false;
    }
    return true;
}

bool sockets_open(const struct settings *settings, int workers, char *reason, size_t reason_size)
{
    ENSURE(workers > 0 && workers <= WORKERS_MAX && sockets.set_count == 0);
    sockets.set_count = sockets_are_per_worker(settings) ? workers : 1;
    sockets.sets = calloc((size_t)sockets.set_count, sizeof(*sockets.sets));
    if (sockets.sets == NULL)
        panic("out of memory for %d workers' sockets", workers);
    const char *list = settings->listen;
    char pattern[ADDRESS_BYTES];
    while (next_address(&list, pattern)) {
        if (open_pattern(settings, pattern, reason, reason_size))
            continue;
        sockets_stop();
        return false;
    }
    return true;
}

/* -------------------- using and closing -------------------- */

const struct socket_set *sockets_of_worker(int number)
{
    return &sockets.sets[sockets.set_count > 1 ? number : 0];
}

static bool is_in(const struct socket_set *set, int fd)
{
    for (int i = 0; i < set->count; i++)
        if (set->sockets[i].fd == fd)
            return true;
    return false;
}

void sockets_keep_only(int number)
{
    const struct socket_set *own = number >= 0 ? sockets_of_worker(number) : NULL;
    for (int i = 0; i < sockets.open_count; i++)
        if (own == NULL || !is_in(own, sockets.open[i].fd))
            close(sockets.open[i].fd);
}

void sockets_stop(void)
{
    for (int i = 0; i < sockets.open_count; i++) {
        struct listen_socket *socket = &sockets.open[i];
        if (socket->unix_path[0] != '\0') {
            unlink(socket->unix_path);
            shutdown(socket->fd, SHUT_RD); /* in all processes; TCP would drop those that wait */
        }
        close(socket->fd);
    }
    free(sockets.open);
    free(sockets.sets);
    sockets.open = NULL;
    sockets.sets = NULL;
    sockets.open_count = sockets.set_count = 0;
}
