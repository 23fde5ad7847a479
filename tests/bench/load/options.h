/*
 * What the load client is asked to do. `streams --help` prints the texts.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdint.h>

#include "memory.h"

struct options {
    const char *url;            /* http://ADDRESS:PORT, as given */
    struct sockaddr_in address; /* what the URL says */
    const char *path;           /* with the query */
    unsigned expected_events;   /* the query's `count`; 0: not said */
    int64_t interval_us;        /* the query's `interval_ms` */
    unsigned streams;
    unsigned opens_per_second;
    unsigned cookies;
    const char *cookie_path;
    const char *login;       /* who logs in to get a cookie; NULL: nobody, cookie_path is asked for */
    const char *cookie_file; /* NULL: the cookies are not written */
    const char *act;         /* "METHOD PATH" */
    unsigned acts;
    int64_t act_interval_us;
    int64_t hold_us; /* -1: until the streams end by themselves */
    struct memory_group groups[MEMORY_GROUPS_MAX];
    unsigned group_count;
    const char *json_path; /* NULL: no JSON */
};

/* Fills the options from the command line. Ends the program when they are wrong, naming the option, or after --help. */
void options_read(struct options *options, int argc, char **argv);

#endif
