/* dns/access.h - who may ask: lists of networks. Built once on the control thread, then
 * read by any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct access_network {
    uint8_t addr[16];
    uint8_t addr_len; /* 4 or 16 */
    uint8_t bits;
};

struct access_list {
    struct access_network *networks; /* owned */
    size_t count;
    bool any; /* "any" was listed */
};

/* texts: CIDRs ("10.0.0.0/8", "fd00::/8"), single addresses, or "any". Bits beyond the prefix
 * length must be zero. ERR_INVALID names `option` and the text. */
int access_list_init(struct access_list *list, const char *option, const char *const *texts,
                     size_t count, struct err *e);
void access_list_fini(struct access_list *list);
/* True when one of its networks holds the address, whatever `any` says. */
bool access_list_has(const struct access_list *list, const uint8_t *addr, size_t addr_len);
/* addr: 4 or 16 octets, network order. An empty list allows nobody. */
static inline bool access_list_allows(const struct access_list *list, const uint8_t *addr,
                                      size_t addr_len)
{
    return list->any || access_list_has(list, addr, addr_len);
}
