/*
 * Which header each session had when a worker of this pool last heard of it. A request that has not asked Redis yet
 * finds here what to believe in, so that its commit can go the fast way (believed.lua).
 *
 * A belief only: the script compares it with the record, so that what is missing here, outdated, or torn because two
 * workers wrote it at once costs the slow way and nothing else.
 */
#ifndef SESSION_KNOWN_HEADERS_H
#define SESSION_KNOWN_HEADERS_H

#include "session/header.h"
#include "session/token.h"

/* In the process whose children shall share it. Without it nothing is known. */
void known_headers_create(void);

bool known_headers_find(const uint8_t rid[static TOKEN_RID_BYTES], struct header *header);
void known_headers_tell(const uint8_t rid[static TOKEN_RID_BYTES], const struct header *header);

#endif
