/* The slots of keys. The numbers are those that CLUSTER KEYSLOT answers (Redis 7.0). */
#include "redis/slot.h"

#include <criterion/criterion.h>
#include <string.h>

Test(redis_slot, a_key_has_the_slot_that_redis_gives_it)
{
    static const struct {
        const char *key;
        int slot;
    } rows[] = {
        {"", 0},
        {"123456789", 12739}, /* 0x31c3, the example of the specification */
        {"foo", 12182},
        {"{foo}bar", 12182},
        {"bar{foo}", 12182},
        {"foo{}bar", 14292}, /* an empty tag is none */
        {"foo{{bar}}zap", 4015},
        {"foo{bar}{zap}", 5061},
        {"mid:mark", 12042},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(redis_slot_of(rows[i].key, strlen(rows[i].key)), rows[i].slot, "%s: %d", rows[i].key,
                     redis_slot_of(rows[i].key, strlen(rows[i].key)));
    cr_expect_eq(redis_slot_of("\xff\x00\x80", 3), redis_slot_of("{\xff\x00\x80}x", 6), "any bytes");
}

Test(redis_slot, the_tag_lies_in_the_key)
{
    static const struct {
        const char *key, *tag;
    } rows[] = {{"mid:s:{0a}", "0a"}, {"a{b", "a{b"}, {"a}b{c}", "c"}, {"{}", "{}"}, {"", ""}, {"}{", "}{"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t bytes;
        const char *tag = redis_hash_tag(rows[i].key, strlen(rows[i].key), &bytes);
        cr_expect(bytes == strlen(rows[i].tag) && memcmp(tag, rows[i].tag, bytes) == 0, "%s", rows[i].key);
    }
}
