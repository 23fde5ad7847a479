/*
 * A look into Redis from a test: what is stored, and how many commands arrive. Blocking, on a connection of its own.
 *
 * A reply of another type than the function's is a failed expectation of the test, and ends it with panic().
 */
#ifndef SUPPORT_REDIS_H
#define SUPPORT_REDIS_H

#include <stddef.h>

struct redis_probe;

/* Connects to the unix socket. Never NULL. */
struct redis_probe *redis_probe_open(const char *socket_path);

/* Connects to the port of 127.0.0.1; NULL: nobody listens there. */
struct redis_probe *redis_probe_open_port(int port);

/* Connects to all nodes of a cluster. A command goes to the node that has its first key; one without a key to all
 * masters, whose answers are added, or follow one another. */
struct redis_probe *redis_probe_open_cluster(const int ports[], int count);
void redis_probe_close(struct redis_probe *probe);

/* The formats are hiredis's: %s is one whole argument, without quoting; %b takes a pointer and a size_t. */
long long redis_int(struct redis_probe *probe, const char *format, ...);

/* A string or status as a new text for the caller to free; NULL when Redis answers nil. */
char *redis_text(struct redis_probe *probe, const char *format, ...);

/* An array of strings, or of such arrays, one behind the other; nil elements are NULL. */
struct redis_texts {
    size_t count;
    char **items;
};
struct redis_texts redis_texts(struct redis_probe *probe, const char *format, ...);
void redis_texts_fini(struct redis_texts *texts);

/* A count of the commands that Redis is sent, by anybody. */
struct redis_monitor;

/* Begins to listen (MONITOR). Never NULL. */
struct redis_monitor *redis_monitor_start(const char *socket_path);

/*
 * How many commands Redis has been sent by clients since the start, or since the last call: every one that Redis began
 * before this call is counted. Commands that a script ran are not counted, nor are the monitor's own, nor the question
 * how full Redis is, which workers ask once a second.
 */
size_t redis_monitor_count(struct redis_monitor *monitor);

/* The last count's commands, one a line as MONITOR prints them; valid until the next count. For messages. */
const char *redis_monitor_lines(const struct redis_monitor *monitor);
void redis_monitor_stop(struct redis_monitor *monitor);

#endif
