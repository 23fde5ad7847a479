/* An address of Redis, or of a listening socket, is refused with a sentence, or is what its text says. */
#include "fuzz.h"

#include "master/listen.h"
#include "redis/address.h"
#include "redis/url.h"

static void check_redis(const char *text)
{
    char reason[160] = "";
    char again[sizeof(struct redis_address)];
    struct redis_address address;
    if (!redis_address_parse(text, &address, reason, sizeof(reason))) {
        CLAIM(reason[0] != '\0');
        return;
    }
    CLAIM(address.host[0] != '\0' && memchr(address.host, '\0', sizeof(address.host)) != NULL);
    if (address.is_unix) {
        CLAIM(address.port == 0 && strlen(address.host) <= REDIS_PATH_LENGTH_MAX);
        CLAIM(strcmp(text + strlen("unix:"), address.host) == 0);
        return;
    }
    CLAIM(address.port >= 1 && address.port <= 65535);
    bool is_ipv6 = strchr(address.host, ':') != NULL;
    snprintf(again, sizeof(again), is_ipv6 ? "[%s]:%d" : "%s:%d", address.host, address.port);
    struct redis_address same;
    CLAIM(redis_address_parse(again, &same, reason, sizeof(reason)));
    CLAIM(strcmp(same.host, address.host) == 0 && same.port == address.port && same.is_numeric == address.is_numeric);
}

/* A password is in no sentence; what is understood is an address. */
static void check_url(const char *text)
{
    char reason[200] = "";
    struct redis_url url;
    if (!redis_url_is(text)) {
        CLAIM(!redis_url_has_password(text));
        return;
    }
    if (!redis_url_parse(text, &url, reason, sizeof(reason))) {
        CLAIM(reason[0] != '\0');
        return;
    }
    struct redis_address list[REDIS_SENTINELS_MAX];
    size_t most = url.is_cluster || url.master[0] != '\0' ? REDIS_SENTINELS_MAX : 1;
    if (most > 1)
        CLAIM(redis_address_parse_list(url.address, list, most, reason, sizeof(reason)) >= 1);
    else
        CLAIM(redis_address_parse(url.address, list, reason, sizeof(reason)));
    CLAIM(url.database >= -1 && url.database <= REDIS_DATABASE_MAX);
    CLAIM(url.password[0] == '\0' || redis_url_has_password(text));
}

static void check_listen(const char *text)
{
    char reason[200] = "";
    if (!listen_check(text, reason, sizeof(reason)))
        CLAIM(reason[0] != '\0');
    const char *path = listen_unix_path(text);
    if (path != NULL)
        CLAIM(path > text && path <= text + strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    check_redis(text);
    check_url(text);
    if (text[0] == '[' || strncmp(text, "unix:", 5) == 0 || strspn(text, "0123456789.:") == size)
        check_listen(text); /* others are names, which would be looked for in the network, or descriptors */
    free(text);
    return 0;
}
