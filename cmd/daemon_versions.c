/* cmd/daemon_versions.c - which zone version holds which revision; versions nobody reads end. */
#include "cmd/daemon.h"

#include "base/clock.h"
#include "controller/store/store.h"
#include "zones/zone_txn.h"

static void version_note(void *arg, const struct store_batch *batch)
{
    struct daemon *d = arg;
    size_t at = d->versions.next++ % VERSIONS_KEPT;
    d->versions.entry[at].revision = batch->revision;
    d->versions.entry[at].version = publish_version(zones_publish(d->zones));
    loop_end_of_turn(&d->reclaim);
}

#define RECLAIM_AGAIN_US 500000

static void reclaim_run(void *arg)
{
    struct daemon *d = arg;
    if (zones_reclaim(d->zones))
        loop_end_of_turn(&d->reclaim);
    else if (zones_garbage(d->zones) > 0) /* a reader has it, for a batch or for a transfer */
        loop_timer_set(&d->reclaim_later, clock_mono_us() + RECLAIM_AGAIN_US);
}

bool daemon_dns_has(void *arg, uint64_t revision)
{
    struct daemon *d = arg;
    uint64_t wanted = publish_version(zones_publish(d->zones));
    for (size_t i = 0; i < VERSIONS_KEPT; i++)
        if (d->versions.entry[i].revision >= revision && d->versions.entry[i].version < wanted)
            wanted = d->versions.entry[i].version;
    return publish_oldest_in_use(zones_publish(d->zones)) >= wanted;
}

void daemon_versions_start(struct daemon *d)
{
    loop_task_init(&d->reclaim, d->loop, reclaim_run, d);
    loop_timer_init(&d->reclaim_later, d->loop, reclaim_run, d);
}

void daemon_versions_stop(struct daemon *d)
{
    loop_timer_fini(&d->reclaim_later);
    loop_task_fini(&d->reclaim);
}

void daemon_versions_follow(struct daemon *d)
{
    store_on_apply(d->store, version_note, d);
}
