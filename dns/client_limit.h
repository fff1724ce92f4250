/* dns/client_limit.h - queries per second and source address (R-103, dns.client-limit).
 *
 * A token bucket per address that holds one second's worth. What counts is the whole address, IPv6
 * too: the pods of a node share a /64. UDP and TCP, loopback like any other (the spec exempts
 * nobody; off by default). One table of fixed size for all workers, as a client's ports may lead to
 * all of them: a slot is two words, a tag and the time at which the bucket will be full again, both
 * relaxed atomics. Addresses that share a set of four slots push the fullest bucket out: then a
 * query more passes, never less. Any thread. */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/cookie.h"

#define CLIENT_LIMIT_SETS 16384 /* a cache line each: 1 MiB in all */
#define CLIENT_LIMIT_WAYS 4

struct client_limit {
    uint8_t key[COOKIE_SECRET_SIZE]; /* random, so that slots cannot be aimed at */
    struct client_slot {
        _Atomic uint64_t tag;    /* 0: unused */
        _Atomic int64_t full_ns; /* mono */
    } * slots;                   /* owned */
};

void client_limit_init(struct client_limit *limit, const uint8_t key[COOKIE_SECRET_SIZE]);
void client_limit_fini(struct client_limit *limit);
/* True when a query of this address may be answered at mono time now_us; it then counts. per_s
 * >= 1.
 */
bool client_limit_pass(struct client_limit *limit, const uint8_t *addr, size_t addr_len,
                       uint32_t per_s, int64_t now_us);
