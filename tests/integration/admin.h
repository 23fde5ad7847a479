/*
 * What tests ask of the admin listener.
 */
#ifndef INTEGRATION_ADMIN_H
#define INTEGRATION_ADMIN_H

#include "site.h"

/* Returns the status; the response is the caller's. */
int admin_send(const struct site *site, const char *method, const char *path, struct http_response *response);

/* The status of a GET; its body is compared by the caller, if not NULL, who frees it. */
int admin_get(const struct site *site, const char *path, char **body);

/* A sample by all that stands before its value; -1: there is none. */
double sample(const struct site *site, const char *series);

#endif
