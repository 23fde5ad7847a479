/* Headers that the workers of a pool have heard of. See known_headers.h. */
#include "session/known_headers.h"

#include <string.h>
#include <sys/mman.h>

#include "base/panic.h"

enum { PLACES = 1 << 15 }; /* a session has one place, by a piece of its identifier, which is random */

struct place {
    uint8_t rid[TOKEN_RID_BYTES];
    uint8_t bytes[HEADER_BYTES];
};

static struct place *places; /* shared by the pool; NULL: there are none */

void known_headers_create(void)
{
    if (places != NULL)
        return;
    void *memory = mmap(NULL, PLACES * sizeof(*places), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        panic("out of memory for the table of known sessions");
    places = memory;
}

static struct place *place_of(const uint8_t rid[static TOKEN_RID_BYTES])
{
    uint32_t piece;
    memcpy(&piece, rid, sizeof(piece));
    return &places[piece % PLACES];
}

bool known_headers_find(const uint8_t rid[static TOKEN_RID_BYTES], struct header *header)
{
    if (places == NULL)
        return false;
    struct place copy = *place_of(rid);
    return memcmp(copy.rid, rid, TOKEN_RID_BYTES) == 0 && header_parse(copy.bytes, HEADER_BYTES, header);
}

void known_headers_tell(const uint8_t rid[static TOKEN_RID_BYTES], const struct header *header)
{
    if (places == NULL)
        return;
    struct place *place = place_of(rid);
    memcpy(place->rid, rid, TOKEN_RID_BYTES);
    header_pack(header, place->bytes);
}
