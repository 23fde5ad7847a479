/*
 * Memory of other processes and of the kernel, read from /proc at one moment.
 */
#ifndef LOAD_MEMORY_H
#define LOAD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "midstream.h"

enum { MEMORY_GROUPS_MAX = 8, MEMORY_PIDS_MAX = 64 };

/* Processes that are summed up, such as all workers. */
struct memory_group {
    char name[16];
    int pids[MEMORY_PIDS_MAX];
    unsigned pid_count;
};

/* /proc/PID/smaps_rollup: Pss shares out pages that several processes map, private pages are the process's alone. */
struct memory_of_group {
    int64_t pss_bytes;
    int64_t private_bytes;
};

struct memory {
    struct memory_of_group groups[MEMORY_GROUPS_MAX];
    int64_t tcp_pages_bytes; /* /proc/net/sockstat "mem": bytes queued in TCP sockets, with their overhead */
    int64_t slab_bytes;      /* /proc/meminfo: kernel objects of the whole machine: sockets, files, epoll items... */
    int64_t page_table_bytes;
    int64_t kernel_stack_bytes;
};

/* Reads "NAME=PID,PID,..."; false when it is not that. */
MID_CHECK bool memory_group_parse(struct memory_group *group, const char *text);

/* False when one of the processes cannot be looked at (it is gone, or belongs to somebody else). */
MID_CHECK bool memory_read(struct memory *memory, const struct memory_group *groups, unsigned group_count);

#endif
