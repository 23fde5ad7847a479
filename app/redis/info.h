/*
 * The text that INFO answers: lines "name:value", which end with CR LF.
 */
#ifndef REDIS_INFO_H
#define REDIS_INFO_H

/* The value behind "name:", up to the end of its line and on; NULL: there is none. Belongs to the text. */
const char *redis_info_find(const char *text, const char *name);

#endif
