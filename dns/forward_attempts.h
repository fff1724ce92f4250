/* dns/forward_attempts.h - the attempts of one upstream query: what was sent to whom, and which of
 * them may still be answered.
 *
 * At most FORWARD_TRIES_OPEN have a socket; a further one takes the place of one that is over, or
 * else of the oldest. Each is sent under an ID and, unless its upstream loses the case, in a
 * spelling of its own. Worker's thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dns/message.h"
#include "dns/upstream_try.h"

#define FORWARD_TRIES_OPEN 2 /* sockets of a query at a time */

struct attempt {
    struct upstream_try *try; /* NULL: over */
    int upstream;
    enum dns_proto proto;
    bool has_edns, keeps_case; /* keeps_case: the name is spelt at random */
    uint16_t id;
    uint8_t name[NAME_MAX_WIRE]; /* as it was sent */
    int64_t sent_us;
};

struct attempts { /* {0} is an empty one */
    struct attempt at[FORWARD_TRIES_OPEN];
    size_t latest;
};

/* Sends: upstream, proto, has_edns and keeps_case of `a` say how. False when that is not possible
 * (errno says why): then all is as before. */
bool attempts_start(struct attempts *set, struct upstream_tries *tries,
                    const struct forward_address *to, const struct reply_question *question,
                    struct attempt a, void *arg);
void attempt_close(struct attempt *a);
void attempts_close(struct attempts *set);
/* Those to one upstream. */
void attempts_close_to(struct attempts *set, int upstream);
/* The attempt of this try: it is there. */
struct attempt *attempts_of(struct attempts *set, const struct upstream_try *try);
/* The one that was sent last, or NULL when it is over. */
struct attempt *attempts_latest(struct attempts *set);
bool attempts_are_open(const struct attempts *set);
/* Of the upstream_tries' held_bytes. */
size_t attempts_held_bytes(const struct attempts *set);
