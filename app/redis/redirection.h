/*
 * The replies by which a node of a Redis Cluster says that a command belongs elsewhere, or has to wait. Nothing was
 * carried out then.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding
 */
#ifndef REDIS_REDIRECTION_H
#define REDIS_REDIRECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "redis/address.h"

enum redis_redirection_kind {
    REDIRECTION_NONE,
    REDIRECTION_MOVED, /* another node has the slot */
    REDIRECTION_ASK,   /* the slot is on its way to another node: this command goes there, behind ASKING */
    REDIRECTION_LATER, /* TRYAGAIN: the slot is on its way, and not all keys are in one place */
    REDIRECTION_LOST,  /* another node has it, and this one does not know where that is ("?") */
    REDIRECTION_DOWN,  /* CLUSTERDOWN: nobody serves the slot */
};

struct redis_redirection {
    enum redis_redirection_kind kind;
    int slot;                /* of MOVED and ASK */
    struct redis_address to; /* its host is "" where it is the same as that of the node that says so */
};

/* Reads an error reply without its '-', which need not be NUL-terminated. False: it is none of these, or malformed. */
bool redis_redirection_read(struct redis_redirection *redirection, const char *text, size_t bytes);

/* Whether it says where to go, rather than that nothing can be done now. */
static inline bool redis_redirection_leads(const struct redis_redirection *redirection)
{
    return redirection->kind == REDIRECTION_MOVED || redirection->kind == REDIRECTION_ASK;
}

#endif
