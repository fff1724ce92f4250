#include "dns/upstream.h"

bool upstream_answered(struct upstream *u, int64_t took_us)
{
    bool was_down = !upstream_is_up(u);
    if (took_us < 1)
        took_us = 1;
    if (u->estimate_us == 0) {
        u->estimate_us = took_us;
        u->deviation_us = took_us / 2;
    } else {
        int64_t off = took_us - u->estimate_us;
        u->deviation_us += ((off < 0 ? -off : off) - u->deviation_us) / 4;
        u->estimate_us += off / 8;
        if (u->estimate_us < 1)
            u->estimate_us = 1;
    }
    u->failures = 0;
    u->pause_us = 0;
    return was_down;
}

void upstream_passed_over(struct upstream *u)
{
    if (u->estimate_us > 256)
        u->estimate_us -= u->estimate_us / 256;
    if (u->failures == 0 || !upstream_is_up(u) || ++u->passed_over < UPSTREAM_FORGIVE)
        return;
    u->failures--;
    u->passed_over = 0;
}

bool upstream_failed(struct upstream *u, int64_t now_us)
{
    u->passed_over = 0;
    if (!upstream_is_up(u) || ++u->failures < UPSTREAM_FAILURES)
        return false;
    u->pause_us = UPSTREAM_PROBE_US;
    u->probe_at_us = now_us + u->pause_us;
    return true;
}

bool upstream_probe_due(struct upstream *u, int64_t now_us)
{
    if (upstream_is_up(u) || now_us < u->probe_at_us)
        return false;
    u->pause_us = u->pause_us * 2 > UPSTREAM_PROBE_MOST ? UPSTREAM_PROBE_MOST : u->pause_us * 2;
    u->probe_at_us = now_us + u->pause_us;
    return true;
}

int64_t upstream_timeout(const struct upstream *u)
{
    if (u->estimate_us == 0)
        return UPSTREAM_FIRST_US;
    int64_t wait_us = u->estimate_us + 4 * u->deviation_us;
    if (wait_us < UPSTREAM_LEAST_US)
        return UPSTREAM_LEAST_US;
    return wait_us > UPSTREAM_MOST_US ? UPSTREAM_MOST_US : wait_us;
}

static bool is_better(const struct upstream *a, const struct upstream *b)
{
    if (upstream_is_up(a) != upstream_is_up(b))
        return upstream_is_up(a);
    if (a->failures != b->failures)
        return a->failures < b->failures;
    return a->estimate_us < b->estimate_us;
}

int upstream_choose(const struct upstream *all, uint32_t members)
{
    int best = -1;
    for (int i = 0; i < 32; i++) {
        if ((members >> i & 1) && (best < 0 || is_better(&all[i], &all[best])))
            best = i;
    }
    return best;
}
