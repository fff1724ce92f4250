/* dns/tcp_registry.h - all TCP connections of all workers, counted in total and per client, the
 * idle ones in order.
 *
 * Shared by the workers behind one mutex, taken when a connection comes, goes, or turns idle or
 * busy; never on the UDP path and never across a callback or a system call but the wake-up. A
 * client is an IPv4 address or an IPv6 /64. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define TCP_CLIENT_BUCKETS 4096

struct tcp_client;

/* In the connection's storage. BUSY: a message is arriving or an answer leaving. */
enum tcp_entry_state { TCP_ENTRY_BUSY, TCP_ENTRY_IDLE, TCP_ENTRY_EVICTED };
struct tcp_entry {
    struct list order; /* idle: by the time it turned idle; evicted: its worker's list */
    struct list peers; /* of the same client */
    struct tcp_client *client;
    enum tcp_entry_state state;
    uint64_t idle_since; /* grows with every idle connection */
    unsigned worker;
};

struct tcp_registry {
    pthread_mutex_t lock;
    unsigned max, max_per_client;
    unsigned max_transfers, max_transfers_per_client;
    unsigned total, evicting, transfers;
    uint64_t idle_clock;
    uint8_t key[16]; /* of the hash */
    struct list idle;
    struct list *evicted; /* owned, one per worker */
    unsigned workers;
    struct tcp_client *buckets[TCP_CLIENT_BUCKETS];
};

void tcp_registry_init(struct tcp_registry *reg, unsigned max, unsigned max_per_client,
                       unsigned workers);
void tcp_registry_fini(struct tcp_registry *reg);
/* Other limits from now on; nothing is closed for it. */
void tcp_registry_set_limits(struct tcp_registry *reg, unsigned max, unsigned max_per_client);

/* Enters a new connection as idle. At a limit the oldest idle connection (of that client, or of
 * all) is put on its worker's list of evicted ones, and *wake gets that worker's number, which must
 * be woken to close it; else *wake is -1. False when nothing is idle: the connection is not
 * entered. */
bool tcp_registry_admit(struct tcp_registry *reg, struct tcp_entry *entry, const uint8_t *addr,
                        size_t addr_len, unsigned worker, int *wake);
void tcp_registry_set_idle(struct tcp_registry *reg, struct tcp_entry *entry, bool is_idle);
void tcp_registry_leave(struct tcp_registry *reg, struct tcp_entry *entry);
/* One more zone transfer on this connection; false when all of them, or its client's, are too many.
 */
bool tcp_registry_begin_transfer(struct tcp_registry *reg, struct tcp_entry *entry);
void tcp_registry_end_transfer(struct tcp_registry *reg, struct tcp_entry *entry);
/* The next connection that this worker must close, or NULL. It stays entered until
 * tcp_registry_leave. */
struct tcp_entry *tcp_registry_next_evicted(struct tcp_registry *reg, unsigned worker);
