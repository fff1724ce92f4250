#include "dns/client_limit.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define SECOND_NS 1000000000

void client_limit_init(struct client_limit *limit, const uint8_t key[COOKIE_SECRET_SIZE])
{
    size_t size = (size_t)CLIENT_LIMIT_SETS * CLIENT_LIMIT_WAYS * sizeof *limit->slots;
    memcpy(limit->key, key, COOKIE_SECRET_SIZE);
    CHECK(posix_memalign((void **)&limit->slots, 64, size) == 0);
    memset(limit->slots, 0, size);
}

void client_limit_fini(struct client_limit *limit)
{
    free(limit->slots);
    limit->slots = NULL;
}

/* The address's slot; else the one of its set that has been full longest, taken over with a full
 * bucket. */
static struct client_slot *slot_of(struct client_limit *limit, uint64_t tag)
{
    struct client_slot *set = &limit->slots[tag % CLIENT_LIMIT_SETS * CLIENT_LIMIT_WAYS];
    struct client_slot *oldest = set;
    int64_t oldest_ns = INT64_MAX;
    for (size_t i = 0; i < CLIENT_LIMIT_WAYS; i++) {
        if (atomic_load_explicit(&set[i].tag, memory_order_relaxed) == tag)
            return &set[i];
        int64_t full_ns = atomic_load_explicit(&set[i].full_ns, memory_order_relaxed);
        if (full_ns < oldest_ns) {
            oldest = &set[i];
            oldest_ns = full_ns;
        }
    }
    atomic_store_explicit(&oldest->tag, tag, memory_order_relaxed);
    atomic_store_explicit(&oldest->full_ns, 0, memory_order_relaxed);
    return oldest;
}

bool client_limit_pass(struct client_limit *limit, const uint8_t *addr, size_t addr_len,
                       uint32_t per_s, int64_t now_us)
{
    uint64_t tag = siphash24(limit->key, addr, addr_len);
    struct client_slot *slot = slot_of(limit, tag ? tag : 1); /* 0 is unused */
    int64_t now_ns = now_us * 1000, cost_ns = SECOND_NS / per_s;
    int64_t full_ns = atomic_load_explicit(&slot->full_ns, memory_order_relaxed), next_ns;
    do {
        next_ns = (full_ns > now_ns ? full_ns : now_ns) + cost_ns;
        if (next_ns - now_ns > SECOND_NS)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&slot->full_ns, &full_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
