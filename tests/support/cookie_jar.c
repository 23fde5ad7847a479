/* The cookies of a visitor. See cookie_jar.h. */
#include "support/cookie_jar.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/panic.h"
#include "support/owned.h"

enum { COOKIES_MAX = 16 };

struct cookie {
    char *name; /* NULL: a free place */
    char *value;
};

struct cookie_jar {
    pthread_mutex_t mutex;
    struct cookie cookies[COOKIES_MAX];
};

struct cookie_jar *cookie_jar_new(void)
{
    struct cookie_jar *jar = calloc(1, sizeof(*jar));
    ENSURE(jar != NULL);
    pthread_mutex_init(&jar->mutex, NULL);
    return jar;
}

static void empty(struct cookie *cookie)
{
    free(cookie->name);
    free(cookie->value);
    *cookie = (struct cookie){0};
}

void cookie_jar_free(struct cookie_jar *jar)
{
    if (!jar)
        return;
    for (size_t i = 0; i < COOKIES_MAX; i++)
        empty(&jar->cookies[i]);
    pthread_mutex_destroy(&jar->mutex);
    free(jar);
}

/* The place of the cookie, or NULL. With a name of NULL: a free place. */
static struct cookie *find(struct cookie_jar *jar, const char *name)
{
    for (size_t i = 0; i < COOKIES_MAX; i++) {
        struct cookie *cookie = &jar->cookies[i];
        if (name ? cookie->name && strcmp(cookie->name, name) == 0 : !cookie->name)
            return cookie;
    }
    return NULL;
}

/* A value of NULL removes the cookie. */
static void put(struct cookie_jar *jar, const char *name, const char *value)
{
    pthread_mutex_lock(&jar->mutex);
    struct cookie *cookie = find(jar, name);
    if (cookie)
        empty(cookie);
    else
        cookie = find(jar, NULL);
    ENSURE(cookie != NULL);
    if (value) {
        cookie->name = strdup(name);
        cookie->value = strdup(value);
        ENSURE(cookie->name && cookie->value);
    }
    pthread_mutex_unlock(&jar->mutex);
}

void cookie_jar_set(struct cookie_jar *jar, const char *name, const char *value)
{
    put(jar, name, value);
}

/* RFC 6265, 5.2: the pair up to the first ';', split at the first '='. */
void cookie_jar_take(struct cookie_jar *jar, const char *line, size_t bytes)
{
    static const char field[] = "set-cookie:";
    if (bytes < sizeof(field) - 1 || strncasecmp(line, field, sizeof(field) - 1) != 0)
        return;
    OWNED char *text = strndup(line + sizeof(field) - 1, bytes - (sizeof(field) - 1));
    ENSURE(text != NULL);
    text[strcspn(text, "\r\n")] = '\0';
    bool is_removed = strcasestr(text, "; max-age=0") != NULL;
    char *name = text + strspn(text, " \t");
    name[strcspn(name, ";")] = '\0';
    char *value = strchr(name, '=');
    if (value) {
        *value++ = '\0';
        put(jar, name, is_removed ? NULL : value);
    }
}

char *cookie_jar_get(struct cookie_jar *jar, const char *name)
{
    pthread_mutex_lock(&jar->mutex);
    struct cookie *cookie = find(jar, name);
    char *value = cookie ? strdup(cookie->value) : NULL;
    pthread_mutex_unlock(&jar->mutex);
    return value;
}

char *cookie_jar_field(struct cookie_jar *jar)
{
    struct buffer field = {0};
    pthread_mutex_lock(&jar->mutex);
    for (size_t i = 0; i < COOKIES_MAX; i++)
        if (jar->cookies[i].name)
            buffer_printf(&field, "%s%s=%s", field.length > 0 ? "; " : "Cookie: ", jar->cookies[i].name,
                          jar->cookies[i].value);
    pthread_mutex_unlock(&jar->mutex);
    if (field.length > 0)
        buffer_append(&field, "", 1);
    return field.data;
}
