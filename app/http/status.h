/*
 * HTTP status codes (RFC 9110, section 15).
 */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include <stdbool.h>
#include <stddef.h>

/* The reason phrase; "Unknown" for codes without one. */
const char *status_reason(int status);

/* The statuses that have a reason phrase, numbered from 0, for counting; the last number is that of all others. */
enum { STATUS_KINDS = 32 };
size_t status_kind(int status);

/* The status of a number; 0 for the last one. */
int status_of_kind(size_t kind);

/* 204 and 304 have no content (RFC 9110, 6.4.1). */
bool status_has_content(int status);

/* Not 1xx, which only announce another (RFC 9110, 15.2), nor a number that is none. */
bool status_is_final(int status);

#endif
