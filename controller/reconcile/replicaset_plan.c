#include "controller/reconcile/replicaset_plan.h"

#include <stdlib.h>
#include <string.h>

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Not started, unknown, running. */
static int phase_rank(const struct replica *r)
{
    return r->is_running ? 2 : r->is_unknown ? 1 : 0;
}

/* R101: unscheduled, not running, not ready, lowest cost, crowded node, youngest ready, most
 * restarts, youngest. */
static int by_rank(const void *x, const void *y)
{
    const struct replica *a = x, *b = y;
    int d = order(*a->node != '\0', *b->node != '\0');
    if (d == 0)
        d = order(phase_rank(a), phase_rank(b));
    if (d == 0)
        d = order(a->ready, b->ready);
    if (d == 0)
        d = order(a->cost, b->cost);
    if (d == 0)
        d = order((int64_t)b->crowd, (int64_t)a->crowd);
    if (d == 0 && a->ready)
        d = order(b->ready_since_us, a->ready_since_us);
    if (d == 0)
        d = order(b->restarts, a->restarts);
    if (d == 0)
        d = order(b->created_us, a->created_us);
    return d ? d : order((int64_t)a->index, (int64_t)b->index);
}

static int by_node(const void *x, const void *y)
{
    const struct replica *a = x, *b = y;
    return strcmp(a->node, b->node);
}

static void count_crowds(struct replica *replicas, size_t count)
{
    qsort(replicas, count, sizeof *replicas, by_node);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && by_node(&replicas[first], &replicas[end]) == 0;)
            end++;
        for (size_t i = first; i < end; i++)
            replicas[i].crowd = end - first;
    }
}

void replicaset_plan(struct replica *replicas, size_t count, int32_t wanted,
                     struct replicaset_plan *out)
{
    *out = (struct replicaset_plan){.replicas = (int32_t)count};
    for (size_t i = 0; i < count; i++) {
        const struct replica *r = &replicas[i];
        out->labeled += r->is_labeled;
        out->ready += r->ready;
        out->available += r->available;
        if (r->ready && !r->available && r->available_at_us &&
            (!out->again_at_us || r->available_at_us < out->again_at_us))
            out->again_at_us = r->available_at_us;
    }
    size_t want = wanted > 0 ? (size_t)wanted : 0;
    if (count < want) {
        out->more = want - count > REPLICASET_BATCH;
        out->create = out->more ? REPLICASET_BATCH : want - count;
    } else if (count > want) {
        count_crowds(replicas, count);
        qsort(replicas, count, sizeof *replicas, by_rank);
        out->remove = count - want;
    }
}
