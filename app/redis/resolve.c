/* Names of hosts to addresses. See resolve.h. */
#include "redis/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/panic.h"
#include "fiber/loop.h"

struct resolution {
    char name[REDIS_HOST_LENGTH_MAX + 1];
    unsigned turn;
    resolution_fn *fn; /* NULL: abandoned */
    void *arg;

    /* written on the thread */
    int status;                           /* of getaddrinfo() */
    char host[REDIS_HOST_LENGTH_MAX + 1]; /* numeric, with its zone if it has one */
};

static const struct addrinfo *choose(const struct addrinfo *first, unsigned turn)
{
    unsigned count = 0;
    ENSURE(first != NULL);
    for (const struct addrinfo *each = first; each != NULL; each = each->ai_next)
        count++;
    const struct addrinfo *chosen = first;
    for (turn %= count; turn > 0; turn--)
        chosen = chosen->ai_next;
    return chosen;
}

static void resolve_on_thread(void *arg)
{
    struct resolution *resolution = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    resolution->status = getaddrinfo(resolution->name, NULL, &hints, &found);
    if (resolution->status != 0)
        return;
    const struct addrinfo *chosen = choose(found, resolution->turn);
    resolution->status = getnameinfo(chosen->ai_addr, chosen->ai_addrlen, resolution->host, sizeof(resolution->host),
                                     NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
}

static void after_resolving(void *arg)
{
    struct resolution *resolution = arg;
    if (resolution->fn != NULL && resolution->status != 0)
        resolution->fn(resolution->arg, NULL, gai_strerror(resolution->status));
    else if (resolution->fn != NULL)
        resolution->fn(resolution->arg, resolution->host, NULL);
    free(resolution);
}

struct resolution *resolution_new(const struct redis_address *address, unsigned turn, resolution_fn *fn, void *arg)
{
    struct resolution *resolution = malloc(sizeof(*resolution));
    if (resolution == NULL)
        panic("out of memory for resolving a host");
    *resolution = (struct resolution){.turn = turn, .fn = fn, .arg = arg};
    snprintf(resolution->name, sizeof(resolution->name), "%s", address->host);
    if (loop_start_thread(resolve_on_thread, after_resolving, resolution))
        return resolution;
    free(resolution);
    return NULL;
}

void resolution_abandon(struct resolution *resolution)
{
    if (resolution != NULL)
        resolution->fn = NULL;
}
