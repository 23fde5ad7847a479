/* Cookies, fetched over one blocking connection after the other. */
#include "cookies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "response.h"

enum { REQUESTS_PER_CONNECTION = 100 }; /* well below nginx's keepalive_requests */

/* Keeps the first cookie, without its attributes. */
static void take_cookie(const char *name, const char *value, void *arg)
{
    char **cookie = arg;
    if (*cookie != NULL || strcasecmp(name, "Set-Cookie") != 0)
        return;
    *cookie = strndup(value, strcspn(value, ";"));
    ENSURE(*cookie != NULL);
}

static bool read_answer(int fd, struct response *response, char **cookie)
{
    static const struct response_reader reader = {.on_field = take_cookie};
    response_init(response);
    for (;;) {
        char data[4096];
        ssize_t got = recv(fd, data, sizeof(data), 0);
        if (got <= 0)
            return false;
        switch (response_feed(response, data, (size_t)got, &reader, cookie)) {
        case RESPONSE_MORE:
            break;
        case RESPONSE_COMPLETE:
            return true;
        case RESPONSE_BROKEN:
            return false;
        }
    }
}

/* NULL when there was none; *status says what the server answered, 0 for nothing that is a response. */
static char *fetch_one(int fd, const struct request *request, int *status)
{
    *status = 0;
    if (!request_send(fd, request))
        return NULL;
    struct response response;
    char *cookie = NULL;
    if (read_answer(fd, &response, &cookie) && response.status / 100 == 2) {
        *status = response.status;
        return cookie;
    }
    *status = response.status;
    free(cookie);
    return NULL;
}

bool cookies_fetch(struct cookies *cookies, const struct sockaddr_in *address, const struct request *request,
                   unsigned count)
{
    *cookies = (struct cookies){.texts = calloc(count, sizeof(char *))};
    ENSURE(cookies->texts != NULL || count == 0);
    int fd = -1;
    int status = 0;
    while (cookies->count < count) {
        if (cookies->count % REQUESTS_PER_CONNECTION == 0) {
            if (fd >= 0)
                close(fd);
            fd = request_connect(address);
        }
        char *cookie = fd >= 0 ? fetch_one(fd, request, &status) : NULL;
        if (cookie == NULL)
            break;
        cookies->texts[cookies->count++] = cookie;
    }
    if (fd >= 0)
        close(fd);
    if (cookies->count < count)
        fprintf(stderr, "streams: no cookie from %s (status %d)\n", request->path, status);
    return cookies->count == count;
}

bool cookies_write(const struct cookies *cookies, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    for (unsigned i = 0; i < cookies->count; i++)
        fprintf(file, "%s\n", cookies->texts[i]);
    return fclose(file) == 0;
}

void cookies_free(struct cookies *cookies)
{
    for (unsigned i = 0; i < cookies->count; i++)
        free(cookies->texts[i]);
    free(cookies->texts);
    *cookies = (struct cookies){.texts = NULL};
}
