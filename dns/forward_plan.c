#include "dns/forward_plan.h"

bool forward_plan_may_ask(const struct forward_plan *plan)
{
    return plan->tries < FORWARD_TRIES_MAX;
}

int forward_plan_next(struct forward_plan *plan, const struct upstream *all)
{
    if (!forward_plan_may_ask(plan))
        return -1;
    uint32_t left = plan->members & ~plan->exhausted & ~plan->tried;
    if (left == 0) {
        plan->tried = 0;
        left = plan->members & ~plan->exhausted;
        plan->rounds++;
    }
    int upstream = upstream_choose(all, left);
    if (upstream >= 0)
        plan->tried |= UINT32_C(1) << upstream;
    return upstream;
}

int64_t forward_plan_wait(const struct forward_plan *plan, const struct upstream *asked,
                          enum dns_proto proto, int64_t least_us, int64_t now_us)
{
    int64_t left_us = plan->deadline_us - now_us;
    int64_t wait_us = upstream_timeout(asked) << plan->rounds;
    if (proto == DNS_TCP)
        wait_us *= 2; /* the handshake comes first */
    if (wait_us < least_us)
        wait_us = least_us;
    return !forward_plan_may_ask(plan) || wait_us > left_us ? left_us : wait_us;
}
