/* dns/listen_set.h - the addresses of a server as a value: what is bound, and what another list of
 * dns.listen would make of it. Control thread. */
#pragma once

#include <stdint.h>

#include "dns/listen.h"

struct listen_item {
    struct listen_address address;
    char *option; /* as configured; owned */
    char text[LISTEN_TEXT_MAX];
    uint64_t number; /* never used twice */
    int *fds;        /* of one that is new: UDP, then TCP, one per worker; else NULL */
};

struct listen_set {
    struct listen_item *items; /* in the order of the option */
    size_t count;
    uint64_t last_number;
};

/* *out: what is wanted. Addresses of `old` stay as they are (by what is written, or by what it
 * means); the others are opened, for so many workers. ERR_INVALID, ERR_IO name the address; then
 * nothing stays open. Port 0 picks one. */
int listen_set_make(const struct listen_set *old, const char *const *wanted, size_t count,
                    unsigned workers, struct listen_set *out, struct err *e);
/* The item that is the same in the other set, or NULL. */
const struct listen_item *listen_set_find(const struct listen_set *set, uint64_t number);
/* The sockets belong to somebody else now. */
void listen_set_forget_sockets(struct listen_set *set);
/* Closes sockets that nobody has taken. */
void listen_set_fini(struct listen_set *set, unsigned workers);
