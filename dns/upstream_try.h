/* dns/upstream_try.h - one query on its way to one upstream: a socket of its own with a random
 * port, so that only this address can answer it.
 *
 * What arrives goes to on_message as often as something arrives; NULL bytes say that nothing will
 * any more (refused, reset, closed). The try lives until upstream_try_free, which may be called
 * inside on_message. Worker's thread. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/counters.h"
#include "dns/forward_conf.h"

#define TRY_QUERY_MAX 512

struct upstream_try;
typedef void upstream_message_fn(void *arg, struct upstream_try *try, const uint8_t *bytes,
                                 size_t len);

/* What the tries of a forwarder have in common; outlives them. */
struct upstream_tries {
    struct event_base *base;
    upstream_message_fn *on_message;
    size_t held_bytes; /* by messages of which a part has arrived, in all of them */
    void (*on_held)(struct upstream_tries *tries); /* they have become more */
};

/* Sends the query (at most TRY_QUERY_MAX octets, copied). NULL: no socket, or the network is not
 * reachable; errno says why. */
struct upstream_try *upstream_try_new(struct upstream_tries *tries,
                                      const struct forward_address *to, enum dns_proto proto,
                                      const uint8_t *query, size_t len, void *arg);
void upstream_try_free(struct upstream_try *try);               /* NULL is fine */
size_t upstream_try_held_bytes(const struct upstream_try *try); /* of held_bytes; NULL holds none */
