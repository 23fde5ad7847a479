/*
 * HTTP status codes (RFC 9110, section 15).
 */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include <stdbool.h>

/* The reason phrase; "Unknown" for codes without one. */
const char *status_reason(int status);

/* 204 and 304 have no content (RFC 9110, 6.4.1). */
bool status_has_content(int status);

#endif
