/* What systemd wants to be told. See notify.h. */
#include "master/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"

static struct {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un address;
    socklen_t address_bytes;
    int64_t watchdog_ms; /* 0: none */
    int64_t due_ms;
} notify = {.fd = -1};

static void open_socket(const char *path)
{
    size_t length = strlen(path);
    if (length < 2 || length >= sizeof(notify.address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    notify.address.sun_family = AF_UNIX;
    memcpy(notify.address.sun_path, path, length);
    if (path[0] == '@')
        notify.address.sun_path[0] = '\0'; /* the abstract namespace, unix(7) */
    notify.address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Half of the time that systemd allows, as sd_watchdog_enabled(3) recommends. */
static int64_t read_watchdog_ms(void)
{
    int64_t usec;
    int64_t pid;
    const char *usec_text = getenv("WATCHDOG_USEC");
    const char *pid_text = getenv("WATCHDOG_PID");
    bool is_ours = pid_text == NULL || (number_parse(pid_text, &pid) && pid == getpid());
    if (usec_text == NULL || !is_ours || !number_parse(usec_text, &usec) || usec < 2000)
        return 0;
    return usec / 2000;
}

void notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path != NULL)
        open_socket(path);
    notify.watchdog_ms = read_watchdog_ms();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_send(const char *lines)
{
    if (notify.fd >= 0)
        (void)!sendto(notify.fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&notify.address,
                      notify.address_bytes);
}

void notify_reloading(void)
{
    char lines[80];
    snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us());
    notify_send(lines);
}

int64_t notify_watchdog(int64_t now_ms)
{
    if (notify.fd < 0 || notify.watchdog_ms == 0)
        return INT32_MAX;
    if (now_ms >= notify.due_ms) {
        notify_send("WATCHDOG=1");
        notify.due_ms = now_ms + notify.watchdog_ms;
    }
    return notify.due_ms - now_ms;
}
