/*
 * The cookies of a visitor, for several threads: a browser's jar as far as the tests need one. It holds what one host
 * has set, by name; of a cookie's attributes only Max-Age=0 counts, which removes it.
 *
 * Not libcurl's: its shared jar is not made for requests that run at the same time (it crashes in 8.14), and it takes a
 * cookie that a test puts in and the same one from the server for two.
 */
#ifndef SUPPORT_COOKIE_JAR_H
#define SUPPORT_COOKIE_JAR_H

#include <stddef.h>

struct cookie_jar;

struct cookie_jar *cookie_jar_new(void);
void cookie_jar_free(struct cookie_jar *jar);

/* Puts a cookie in, in place of one of the same name. The texts are copied. */
void cookie_jar_set(struct cookie_jar *jar, const char *name, const char *value);

/* Takes over one line of a response's head, if it is a Set-Cookie field. */
void cookie_jar_take(struct cookie_jar *jar, const char *line, size_t bytes);

/* The value as a new text for the caller to free; NULL when there is no such cookie. */
char *cookie_jar_get(struct cookie_jar *jar, const char *name);

/* "Cookie: a=1; b=2", a new text for the caller to free; NULL when the jar is empty. */
char *cookie_jar_field(struct cookie_jar *jar);

#endif
