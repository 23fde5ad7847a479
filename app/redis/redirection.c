/* What a node of a cluster says of a command that it does not take. See redirection.h. */
#include "redis/redirection.h"

#include <stdio.h>
#include <string.h>

#include "redis/slot.h"

/* The digits at *text, up to `end`; -1: there are none, or they are more than a slot or a port has. */
static int read_number(const char **text, const char *end)
{
    int number = 0;
    const char *begin = *text;
    for (; *text < end && **text >= '0' && **text <= '9' && *text - begin < 6; ++*text)
        number = number * 10 + (**text - '0');
    return *text == begin ? -1 : number;
}

/* "SLOT HOST:PORT". The host has no brackets, may be empty, and is "?" where the node does not know its name. */
static bool read_target(struct redis_redirection *redirection, const char *text, const char *end)
{
    redirection->slot = read_number(&text, end);
    if (redirection->slot < 0 || redirection->slot >= REDIS_SLOTS || text == end || *text++ != ' ')
        return false;
    const char *colon = memrchr(text, ':', (size_t)(end - text));
    if (colon == NULL)
        return false;
    const char *port = colon + 1;
    const char *host = colon > text ? text : "localhost";
    int host_length = colon > text ? (int)(colon - text) : (int)strlen(host);
    if (host_length == 1 && *host == '?') {
        redirection->kind = REDIRECTION_LOST;
        return true;
    }
    if (host_length > REDIS_HOST_LENGTH_MAX ||
        !redis_address_join(host, host_length, port, (int)(end - port), &redirection->to))
        return false;
    if (colon == text)
        redirection->to.host[0] = '\0';
    return true;
}

bool redis_redirection_read(struct redis_redirection *redirection, const char *text, size_t bytes)
{
    static const struct {
        const char *code;
        enum redis_redirection_kind kind;
    } codes[] = {{"MOVED ", REDIRECTION_MOVED},
                 {"ASK ", REDIRECTION_ASK},
                 {"TRYAGAIN ", REDIRECTION_LATER},
                 {"CLUSTERDOWN ", REDIRECTION_DOWN}};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        size_t length = strlen(codes[i].code);
        if (bytes < length || memcmp(text, codes[i].code, length) != 0)
            continue;
        struct redis_redirection read = {.kind = codes[i].kind};
        if (redis_redirection_leads(&read) && !read_target(&read, text + length, text + bytes))
            return false;
        *redirection = read;
        return true;
    }
    return false;
}
