/*
 * libfcgi's OS layer, on fibers.
 *
 * libfcgi makes all its system calls through the functions of <fcgios.h>. We define the ones that fcgiapp.c uses, so
 * that its archive member os_unix.o is never linked: no blocking call, no signal handler and no exit() of the library
 * remains. Its reads and writes must never see EAGAIN, which it cannot resume; they suspend the fiber instead.
 * Descriptors stay ours: closing is connection.c's business.
 */
#include <errno.h>
#include <fcgios.h>

#include "base/panic.h"
#include "fcgi/connection.h"

/* fcgios.h declares them without the attribute; hidden, libfcgi would bind its own when somebody links our archive. */
#define FOR_LIBFCGI __attribute__((visibility("default")))

FOR_LIBFCGI int OS_LibInit(int stdio_fds[3])
{
    (void)stdio_fds;
    return 0;
}

FOR_LIBFCGI void OS_LibShutdown(void)
{
}

FOR_LIBFCGI int OS_Read(int fd, char *buffer, size_t size)
{
    return (int)connection_read(connection_of(fd), buffer, size);
}

FOR_LIBFCGI int OS_Write(int fd, char *buffer, size_t bytes)
{
    struct iovec part = {.iov_base = buffer, .iov_len = bytes};
    if (connection_send(connection_of(fd), &part, 1) == MID_OK)
        return (int)bytes;
    errno = EPIPE;
    return -1;
}

/* libfcgi asks for another connection when one is of no use: there is none, each request of ours belongs to its own. */
FOR_LIBFCGI int OS_Accept(int listen_fd, int fail_on_intr, const char *web_server_addresses)
{
    (void)listen_fd, (void)fail_on_intr, (void)web_server_addresses;
    errno = ECONNABORTED;
    return -1;
}

FOR_LIBFCGI int OS_IpcClose(int fd, int shutdown)
{
    (void)fd, (void)shutdown;
    return 0;
}

FOR_LIBFCGI int OS_Close(int fd, int shutdown)
{
    (void)fd, (void)shutdown;
    return 0;
}

FOR_LIBFCGI int OS_IsFcgi(int fd)
{
    (void)fd;
    return 1;
}

FOR_LIBFCGI void OS_SetFlags(int fd, int flags)
{
    (void)fd, (void)flags;
}

FOR_LIBFCGI void OS_ShutdownPending(void)
{
}

/* Listening sockets are the master's (master/listen.c). */
FOR_LIBFCGI int OS_CreateLocalIpcFd(const char *path, int backlog)
{
    panic("libfcgi was asked to listen on %s (%d)", path, backlog);
}
