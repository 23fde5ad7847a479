/*
 * Requests and responses of a test, with the web server's side of FastCGI played.
 */
#ifndef TESTING_EXCHANGE_H
#define TESTING_EXCHANGE_H

#include <stdbool.h>

#include "midstream/test.h"

/* Sends and receives what can be, of all exchanges, without waiting. Whether there was any. */
bool exchanges_serve(void);

/* The clients of all leave, and what was not freed is. */
void exchanges_end(void);

#endif
