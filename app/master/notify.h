/*
 * What systemd wants to be told by a service of Type=notify (sd_notify(3)), without its library: datagrams to a socket.
 * Without systemd, all of this does nothing.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC, and removes them from the environment: they are for this process alone. */
void notify_init(void);

/* Sends lines such as "READY=1". */
void notify_send(const char *lines);

/* "RELOADING=1" with the time that goes with it. */
void notify_reloading(void);

/* Pets systemd's watchdog when that is due. Returns in how many milliseconds it is due again; INT32_MAX: never. */
int64_t notify_watchdog(int64_t now_ms);

#endif
