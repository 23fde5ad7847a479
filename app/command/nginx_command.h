/*
 * `midstream nginx`: the locations that nginx needs for routes with limits of their own, because it has limits as well,
 * and answers first.
 */
#ifndef COMMAND_NGINX_COMMAND_H
#define COMMAND_NGINX_COMMAND_H

#include <stdio.h>

#include "http/router.h"

/* Prints them, in the order in which the router tries the routes, because nginx takes the first one that matches;
 * nothing where the limits of nginx/site.conf do. */
void nginx_command_print(FILE *out, const struct router *router);

#endif
