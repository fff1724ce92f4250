/* dns/forward_plan.h - whom a question is put to next, how long to wait for the answer, and when
 * enough has been tried.
 *
 * Each member in turn, the best first; when all have been asked, a new round begins in which one
 * waits twice as long. Pure: time is a parameter (mono, us). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dns/counters.h"
#include "dns/upstream.h"

#define FORWARD_TRIES_MAX 8 /* per query */

struct forward_plan {
    uint32_t members;   /* who may be asked */
    uint32_t exhausted; /* has said that it does not know, or cannot be reached */
    uint32_t tried;     /* in this round */
    unsigned tries, rounds;
    int64_t deadline_us;
};

/* The next to ask, or -1: nobody is left, or FORWARD_TRIES_MAX is reached. Whoever then asks counts
 * it in tries, as when it asks somebody again out of turn. */
int forward_plan_next(struct forward_plan *plan, const struct upstream *all);
bool forward_plan_may_ask(const struct forward_plan *plan);
/* From now until another is asked, after this one was: never beyond the deadline, and after the
 * last try until then. least_us: not sooner. */
int64_t forward_plan_wait(const struct forward_plan *plan, const struct upstream *asked,
                          enum dns_proto proto, int64_t least_us, int64_t now_us);
