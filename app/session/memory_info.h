/*
 * What `INFO memory` of Redis says about its memory, as far as the limit of sessions needs it.
 */
#ifndef SESSION_MEMORY_INFO_H
#define SESSION_MEMORY_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_figures {
    int64_t used_bytes; /* with what Redis needs itself */
    int64_t max_bytes;  /* the setting maxmemory; 0: none */
};

/*
 * Reads the text, which need not end with a NUL: lines "name:value", ended by LF or CR LF; whatever else there is does
 * not matter. False, with nothing written: one of the two is missing, twice there, or no whole number from 0 on.
 */
bool memory_info_parse(const char *text, size_t length, struct memory_figures *figures);

#endif
