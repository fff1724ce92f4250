#include "dns/tcp_transfers.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

struct tcp_transfer {
    struct transfer progress; /* first: what dns/answer is given */
    struct list of_conn, of_worker;
    struct tcp_transfers *owner;
    struct publish_pin *pin;
    int64_t until_us;
};

struct transfer *tcp_transfers_open(struct tcp_transfers *transfers)
{
    struct worker *w = transfers->worker;
    if (!tcp_registry_begin_transfer(&w->shared->registry, transfers->entry))
        return NULL;
    struct tcp_transfer *t = xcalloc(1, sizeof *t);
    t->owner = transfers;
    t->pin = publish_pin(w->shared->zones, w->index);
    t->until_us = w->now_us + w->shared->limits.transfer_us;
    list_push_back(&transfers->running, &t->of_conn);
    list_push_back(&w->transfers, &t->of_worker);
    counter_add(&w->counters.transfers_begun, 1);
    return &t->progress;
}

static void log_end(const struct tcp_transfer *t, enum dns_transfer result)
{
    char client[INET6_ADDRSTRLEN], zone[NAME_TEXT_MAX];
    const struct dns_peer *peer = t->owner->peer;
    size_t len;
    inet_ntop(peer->addr_len == 4 ? AF_INET : AF_INET6, peer->addr, client, sizeof client);
    name_format(zone_node_name(t->progress.apex->node, &len), zone);
    LOG_LIMITED(result == TRANSFER_DONE ? LOG_INFO : LOG_WARN,
                "zone=%s client=%s serial=%u records=%llu result=%s msg=\"zone transfer\"", zone,
                client, t->progress.apex->serial, (unsigned long long)t->progress.records,
                counters_transfer_word(result));
}

static void end(struct tcp_transfer *t, enum dns_transfer result)
{
    struct worker *w = t->owner->worker;
    counter_add(&w->counters.transfers[result], 1);
    log_end(t, result);
    list_remove(&t->of_conn);
    list_remove(&t->of_worker);
    tcp_registry_end_transfer(&w->shared->registry, t->owner->entry);
    publish_unpin(t->pin);
    free(t);
}

size_t tcp_transfers_next(struct tcp_transfers *transfers, uint8_t *out, bool *failed)
{
    struct list *first = transfers->running.next;
    struct tcp_transfer *t = LIST_ENTRY(first, struct tcp_transfer, of_conn);
    *failed = false;
    size_t len = 0;
    if (!transfer_is_over(&t->progress)) {
        len = transfer_next(&t->progress, out);
        *failed = t->progress.has_failed;
    }
    list_remove(first); /* the others have their turn */
    list_push_back(&transfers->running, first);
    if (*failed)
        end(t, TRANSFER_RECORD);
    else if (transfer_is_over(&t->progress))
        end(t, TRANSFER_DONE);
    return len;
}

void tcp_transfers_end(struct tcp_transfers *transfers, enum dns_transfer result)
{
    while (tcp_transfers_are_running(transfers))
        end(LIST_ENTRY(list_take_first(&transfers->running), struct tcp_transfer, of_conn), result);
}

struct tcp_conn *tcp_transfers_overdue(struct worker *w, enum dns_transfer *result)
{
    int64_t now_us = clock_mono_us();
    LIST_FOREACH(it, &w->transfers)
    {
        const struct tcp_transfer *t = LIST_ENTRY(it, struct tcp_transfer, of_worker);
        uint64_t held = publish_pin_bytes(w->shared->zones, t->pin);
        if (held > w->shared->limits.transfer_pin_bytes || now_us > t->until_us) {
            *result = now_us > t->until_us ? TRANSFER_TIME : TRANSFER_MEMORY;
            return t->owner->conn;
        }
    }
    return NULL;
}
