#include "dns/tcp_registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "dns/cookie.h"

struct tcp_client {
    struct tcp_client *next;
    struct list entries;
    unsigned count, evicting, transfers;
    uint8_t key[9]; /* family, then address or prefix */
};

void tcp_registry_init(struct tcp_registry *reg, unsigned max, unsigned max_per_client,
                       unsigned workers)
{
    *reg = (struct tcp_registry){.max = max, .max_per_client = max_per_client, .workers = workers};
    CHECK(pthread_mutex_init(&reg->lock, NULL) == 0);
    random_bytes(reg->key, sizeof reg->key);
    list_init(&reg->idle);
    reg->evicted = xcalloc(workers, sizeof *reg->evicted);
    for (unsigned i = 0; i < workers; i++)
        list_init(&reg->evicted[i]);
}

void tcp_registry_fini(struct tcp_registry *reg)
{
    CHECK(reg->total == 0);
    free(reg->evicted);
    pthread_mutex_destroy(&reg->lock);
}

void tcp_registry_set_limits(struct tcp_registry *reg, unsigned max, unsigned max_per_client)
{
    pthread_mutex_lock(&reg->lock);
    reg->max = max;
    reg->max_per_client = max_per_client;
    pthread_mutex_unlock(&reg->lock);
}

static struct tcp_client **bucket_of(struct tcp_registry *reg, const uint8_t key[9])
{
    return &reg->buckets[siphash24(reg->key, key, 9) % TCP_CLIENT_BUCKETS];
}

static struct tcp_client *client_get(struct tcp_registry *reg, const uint8_t *addr, size_t addr_len)
{
    uint8_t key[9] = {(uint8_t)addr_len};
    memcpy(key + 1, addr, addr_len == 4 ? 4 : 8);
    struct tcp_client **head = bucket_of(reg, key);
    for (struct tcp_client *c = *head; c; c = c->next) {
        if (memcmp(c->key, key, sizeof key) == 0)
            return c;
    }
    struct tcp_client *c = xcalloc(1, sizeof *c);
    memcpy(c->key, key, sizeof key);
    list_init(&c->entries);
    c->next = *head;
    *head = c;
    return c;
}

static void client_drop_if_unused(struct tcp_registry *reg, struct tcp_client *client)
{
    if (client->count > 0)
        return;
    struct tcp_client **at = bucket_of(reg, client->key);
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    free(client);
}

static void evict(struct tcp_registry *reg, struct tcp_entry *entry, int *wake)
{
    list_remove(&entry->order);
    list_push_back(&reg->evicted[entry->worker], &entry->order);
    entry->state = TCP_ENTRY_EVICTED;
    entry->client->evicting++;
    reg->evicting++;
    *wake = (int)entry->worker;
}

static struct tcp_entry *oldest_idle_of(const struct tcp_client *client)
{
    struct tcp_entry *oldest = NULL;
    LIST_FOREACH(it, &client->entries)
    {
        struct tcp_entry *entry = LIST_ENTRY(it, struct tcp_entry, peers);
        if (entry->state == TCP_ENTRY_IDLE && (!oldest || entry->idle_since < oldest->idle_since))
            oldest = entry;
    }
    return oldest;
}

/* Room for one more of this client: true, perhaps after an eviction. */
static bool make_room(struct tcp_registry *reg, const struct tcp_client *client, int *wake)
{
    struct tcp_entry *victim;
    if (client->count - client->evicting >= reg->max_per_client)
        victim = oldest_idle_of(client);
    else if (reg->total - reg->evicting < reg->max)
        return true;
    else
        victim =
            list_is_empty(&reg->idle) ? NULL : LIST_ENTRY(reg->idle.next, struct tcp_entry, order);
    if (victim)
        evict(reg, victim, wake);
    return victim != NULL;
}

static void turn_idle(struct tcp_registry *reg, struct tcp_entry *entry)
{
    entry->state = TCP_ENTRY_IDLE;
    entry->idle_since = ++reg->idle_clock;
    list_push_back(&reg->idle, &entry->order);
}

bool tcp_registry_admit(struct tcp_registry *reg, struct tcp_entry *entry, const uint8_t *addr,
                        size_t addr_len, unsigned worker, int *wake)
{
    *wake = -1;
    *entry = (struct tcp_entry){.worker = worker};
    list_init(&entry->order);
    pthread_mutex_lock(&reg->lock);
    struct tcp_client *client = client_get(reg, addr, addr_len);
    bool is_admitted = make_room(reg, client, wake);
    if (is_admitted) {
        entry->client = client;
        client->count++;
        reg->total++;
        list_push_back(&client->entries, &entry->peers);
        turn_idle(reg, entry);
    } else {
        client_drop_if_unused(reg, client);
    }
    pthread_mutex_unlock(&reg->lock);
    return is_admitted;
}

void tcp_registry_set_idle(struct tcp_registry *reg, struct tcp_entry *entry, bool is_idle)
{
    pthread_mutex_lock(&reg->lock);
    if (entry->state != TCP_ENTRY_EVICTED) {
        list_remove(&entry->order);
        entry->state = TCP_ENTRY_BUSY;
        if (is_idle)
            turn_idle(reg, entry);
    }
    pthread_mutex_unlock(&reg->lock);
}

void tcp_registry_leave(struct tcp_registry *reg, struct tcp_entry *entry)
{
    pthread_mutex_lock(&reg->lock);
    struct tcp_client *client = entry->client;
    list_remove(&entry->order);
    list_remove(&entry->peers);
    if (entry->state == TCP_ENTRY_EVICTED) {
        client->evicting--;
        reg->evicting--;
    }
    client->count--;
    reg->total--;
    client_drop_if_unused(reg, client);
    pthread_mutex_unlock(&reg->lock);
}

bool tcp_registry_begin_transfer(struct tcp_registry *reg, struct tcp_entry *entry)
{
    pthread_mutex_lock(&reg->lock);
    bool may_begin = reg->transfers < reg->max_transfers &&
                     entry->client->transfers < reg->max_transfers_per_client;
    if (may_begin) {
        reg->transfers++;
        entry->client->transfers++;
    }
    pthread_mutex_unlock(&reg->lock);
    return may_begin;
}

void tcp_registry_end_transfer(struct tcp_registry *reg, struct tcp_entry *entry)
{
    pthread_mutex_lock(&reg->lock);
    CHECK(reg->transfers > 0 && entry->client->transfers > 0);
    reg->transfers--;
    entry->client->transfers--;
    pthread_mutex_unlock(&reg->lock);
}

struct tcp_entry *tcp_registry_next_evicted(struct tcp_registry *reg, unsigned worker)
{
    struct tcp_entry *entry = NULL;
    pthread_mutex_lock(&reg->lock);
    struct list *list = &reg->evicted[worker];
    if (!list_is_empty(list)) {
        entry = LIST_ENTRY(list->next, struct tcp_entry, order);
        list_remove(&entry->order);
    }
    pthread_mutex_unlock(&reg->lock);
    return entry;
}
