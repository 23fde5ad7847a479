/* The slots of Redis Cluster. See slot.h. */
#include "redis/slot.h"

#include <stdint.h>
#include <string.h>

/* CRC-16/XMODEM, four bits at a time. */
static unsigned crc16(const char *data, size_t bytes)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
                                       0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    unsigned crc = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned byte = (unsigned char)data[i];
        crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ byte >> 4];
        crc = (crc << 4 & 0xffff) ^ table[crc >> 12 ^ (byte & 0xf)];
    }
    return crc;
}

const char *redis_hash_tag(const char *key, size_t bytes, size_t *tag_bytes)
{
    const char *open = memchr(key, '{', bytes);
    const char *close = open != NULL ? memchr(open, '}', bytes - (size_t)(open - key)) : NULL;
    *tag_bytes = bytes;
    if (close == NULL || close == open + 1)
        return key;
    *tag_bytes = (size_t)(close - open) - 1;
    return open + 1;
}

int redis_slot_of(const char *key, size_t bytes)
{
    size_t tag_bytes;
    const char *tag = redis_hash_tag(key, bytes, &tag_bytes);
    return (int)(crc16(tag, tag_bytes) % REDIS_SLOTS);
}
