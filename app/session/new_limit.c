/* How many sessions one address may begin within a minute. See new_limit.h. */
#include "session/new_limit.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/panic.h"
#include "http/request.h"
#include "session/counts.h"

enum { SETS = 8192, WAYS = 8, MINUTE_MS = 60 * 1000 };

/* A word is, from the top, a tag, which is 24 bits of the hash and 20 of the minute (two years, until an old word looks
 * like one of this minute), and the count. 0: free. */
enum { COUNT_BITS = 20, MINUTE_BITS = 20 };
#define COUNT_MASK  ((UINT64_C(1) << COUNT_BITS) - 1)
#define MINUTE_MASK (((UINT64_C(1) << MINUTE_BITS) - 1) << COUNT_BITS)
#define HASH_MASK   (~(MINUTE_MASK | COUNT_MASK))

static_assert(NEW_LIMIT_MAX <= COUNT_MASK, "a count fits into its bits");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "processes share the words, so no lock of one process may guard them");

static _Atomic uint64_t *table; /* SETS * WAYS, shared; NULL: there is none */
static uint8_t hash_key[crypto_shorthash_KEYBYTES];
static int64_t most;
static bool has_told_of_no_address;

/* -------------------- set-up -------------------- */

void new_limit_create(void)
{
    static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a hash is a word");
    randombytes_buf(hash_key, sizeof(hash_key));
    void *memory = mmap(NULL, SETS * WAYS * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0); /* zeroed */
    if (memory == MAP_FAILED)
        panic("no memory to count new sessions in: %s", strerror(errno));
    table = memory;
}

void new_limit_destroy(void)
{
    if (table != NULL)
        munmap(table, SETS * WAYS * sizeof(*table));
    table = NULL;
}

void new_limit_init(int64_t per_minute)
{
    most = per_minute;
}

/* -------------------- counting -------------------- */

/* False: it is no address. */
static bool hash_address(const char *text, uint64_t *hash)
{
    struct in6_addr address;
    struct in_addr short_address;
    size_t bytes = 8; /* of IPv6: the /64 */
    if (inet_pton(AF_INET, text, &short_address) == 1) {
        memcpy(&address, &short_address, sizeof(short_address));
        bytes = sizeof(short_address);
    } else if (inet_pton(AF_INET6, text, &address) != 1) {
        return false;
    } else if (IN6_IS_ADDR_V4MAPPED(&address)) {
        memmove(&address, (const uint8_t *)&address + 12, sizeof(short_address));
        bytes = sizeof(short_address);
    }
    crypto_shorthash((unsigned char *)hash, (const unsigned char *)&address, bytes, hash_key);
    return true;
}

/* How many sessions the word counts in that minute: none, if it is free or of an earlier one. */
static uint64_t count_at(uint64_t word, uint64_t minute)
{
    return (word & MINUTE_MASK) == minute ? word & COUNT_MASK : 0;
}

/* The word that has the tag, or the one with the least count, which may be taken. `word` is what stands there. */
static _Atomic uint64_t *find(_Atomic uint64_t set[static WAYS], uint64_t tag, uint64_t *word)
{
    _Atomic uint64_t *place = NULL;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < WAYS; i++) {
        uint64_t other = atomic_load_explicit(&set[i], memory_order_relaxed);
        uint64_t count = count_at(other, tag & MINUTE_MASK);
        bool is_own = count > 0 && (other & HASH_MASK) == (tag & HASH_MASK);
        if (!is_own && count >= least)
            continue;
        place = &set[i];
        *word = other;
        least = count;
        if (is_own)
            break;
    }
    return place;
}

/* A swap fails when another process was quicker, so one of them always goes on. Two that begin to count an address at
 * once may take two words for it, and then it may begin more for once. */
static bool count_one(uint64_t hash, uint64_t minute)
{
    _Atomic uint64_t *set = &table[hash % SETS * WAYS];
    uint64_t tag = (hash & HASH_MASK) | (minute << COUNT_BITS & MINUTE_MASK);
    for (;;) {
        uint64_t word = 0;
        _Atomic uint64_t *place = find(set, tag, &word);
        uint64_t count = (word & ~COUNT_MASK) == tag ? word & COUNT_MASK : 0;
        if (count >= (uint64_t)most)
            return false;
        if (atomic_compare_exchange_weak_explicit(place, &word, tag | (count + 1), memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}

bool new_limit_admits(const char *address, int64_t now_ms)
{
    uint64_t hash;
    if (most == 0 || table == NULL || !hash_address(address, &hash))
        return true;
    return count_one(hash, (uint64_t)(now_ms / MINUTE_MS));
}

/* -------------------- requests -------------------- */

static void tell_of_no_address(void)
{
    if (has_told_of_no_address || most == 0 || table == NULL)
        return;
    has_told_of_no_address = true;
    log_event(MID_WARN, "session.no-address",
              "consequence=\"new sessions are not limited\" advice=\"let nginx send REMOTE_ADDR\"");
}

enum mid_error new_limit_enter(struct mid_request *rq)
{
    const char *address = request_param_line(rq, "REMOTE_ADDR", 0);
    int64_t now_ms = clock_monotonic_ms();
    if (address == NULL)
        tell_of_no_address();
    if (address == NULL || new_limit_admits(address, now_ms))
        return MID_OK;
    session_count_refusal(SESSION_REFUSAL_ADDRESS);
    enum mid_error error = mid_fail(
        rq, MID_TOO_MANY, "this address has created %" PRId64 " sessions within a minute, which is the maximum", most);
    rq->retry_after_s = (int)((MINUTE_MS - now_ms % MINUTE_MS + 999) / 1000);
    return error;
}
