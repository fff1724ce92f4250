/* dns/upstream.h - how an upstream resolver does: what to expect of it, and whether to ask it at
 * all.
 *
 * The estimate of RFC 6298, and a count of failures in a row; after UPSTREAM_FAILURES it is down,
 * until a probe is answered. Pure: time is a parameter (mono, us). Each worker has its own view. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_FAILURES   3
#define UPSTREAM_FORGIVE    32     /* answers of others for each of them, while it is up */
#define UPSTREAM_FIRST_US   400000 /* to wait for one that was never measured */
#define UPSTREAM_LEAST_US   100000
#define UPSTREAM_MOST_US    1500000
#define UPSTREAM_PROBE_US   1000000 /* after going down; doubles up to the next */
#define UPSTREAM_PROBE_MOST INT64_C(30000000)

struct upstream {
    int64_t estimate_us, deviation_us; /* estimate 0: never measured */
    unsigned failures;                 /* in a row */
    unsigned passed_over;              /* since the last of them was made or forgiven */
    int64_t pause_us;                  /* between probes; 0: it is up */
    int64_t probe_at_us;               /* of one that is down: the next probe */
};

static inline bool upstream_is_up(const struct upstream *u)
{
    return u->pause_us == 0;
}

/* It answered, whatever it said. True when it was down before. */
bool upstream_answered(struct upstream *u, int64_t took_us);
/* Another one was asked instead: what is known of this one fades, so that it has its turn again. */
void upstream_passed_over(struct upstream *u);
/* No answer in time, or an error of the network. True when it goes down by this. */
bool upstream_failed(struct upstream *u, int64_t now_us);
/* True when a probe is due; the next one is then put off. */
bool upstream_probe_due(struct upstream *u, int64_t now_us);
/* How long to wait for an answer before asking elsewhere. */
int64_t upstream_timeout(const struct upstream *u);
/* Which of the members (bits) to ask: up before down, the quickest first, then in order; those
 * never measured come before slower ones. -1: there are none. */
int upstream_choose(const struct upstream *all, uint32_t members);
