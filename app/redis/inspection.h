/*
 * What can be found out about a Redis before anybody depends on it: `midstream check --connect`.
 */
#ifndef REDIS_INSPECTION_H
#define REDIS_INSPECTION_H

#include "redis/address.h"
#include "redis/client.h"
#include "redis/refusal.h"
#include "redis/server_info.h"

enum { REDIS_MISSING_BYTES = 512 };

struct redis_inspection {
    char address[REDIS_NAME_BYTES];
    struct redis_server_info server;
    const char *tls_version; /* NULL: without TLS */

    /* INFO */
    bool has_info; /* it was answered; otherwise these are zero */
    int64_t used_bytes;
    int64_t max_bytes; /* 0: no limit */
    char policy[REDIS_INFO_BYTES];
    bool has_append_only_file;
    int64_t replicas; /* that are connected, and have its data */

    int64_t clock_offset_ms;           /* Redis's clock minus this machine's */
    char missing[REDIS_MISSING_BYTES]; /* commands that the user may not run, with blanks between; "": none */
    char refusal[REFUSAL_TEXT_SIZE];   /* what Redis said when it refused to tell that */
};

/* The commands that the runtime needs whatever is configured, each with arguments as it has; NULL at the end. */
extern const char *const redis_needed_commands[];

/* Registers what the inspection needs; with the other scripts, before the first turn of the loop. */
void redis_inspection_prepare(struct redis_client *client);

/* What of a cluster is known: 0 slots, of one that is none. */
struct redis_inspected_cluster {
    size_t masters, replicas, slots;
};
struct redis_inspected_cluster redis_inspect_cluster(const struct redis_client *client);

/* Asks a client that is ready, and is a Redis and no cluster; `durability` needs a right of its own. MID_OK also where
 * INFO is refused; otherwise as redis_command(), with the refusal. */
MAY_SUSPEND MID_CHECK enum mid_error redis_inspect(struct redis_client *client, enum mid_durability durability,
                                                   struct redis_inspection *inspection);

#endif
