/*
 * The loop's set of watched descriptors; what the rest of the program uses of it is in loop.h.
 */
#ifndef FIBER_WATCH_H
#define FIBER_WATCH_H

#include <uv.h>

/* Opens the epoll set of this process and hangs it into the loop. Asserts when it cannot be had. */
void watch_set_open(uv_loop_t *uv);

/* After the loop's handles were closed. */
void watch_set_close(void);

#endif
