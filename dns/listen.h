/* dns/listen.h - listen addresses and the sockets bound to them.
 * Control thread. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LISTEN_TEXT_MAX 96

struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    bool is_wildcard;
    const char *option; /* as configured, for messages; borrowed */
};

/* "127.0.0.1:53", "[::1]:53", "[fe80::1%eth0]:53". ERR_INVALID otherwise. */
int listen_parse(const char *text, struct listen_address *out, struct err *e);
uint16_t listen_port(const struct listen_address *a);
/* "ADDR:PORT", brackets around IPv6. */
void listen_format(const struct listen_address *a, char out[LISTEN_TEXT_MAX]);

bool listen_is_same(const struct listen_address *a, const struct listen_address *b);
/* True when a socket of one of them would keep the other from being bound without sharing. */
bool listen_overlap(const struct listen_address *a, const struct listen_address *b);

/* Opens `count` UDP and `count` TCP sockets on the address, all sharing it (SO_REUSEPORT). Port 0
 * picks one that is free for both and is then found in *a. Refuses an address that another process
 * serves, although SO_REUSEPORT would share it; is_beside_ours: our own socket is there
 * too and would be seen, so nobody looks. On ERR_IO nothing stays open and the text names the
 * address. */
int listen_open(struct listen_address *a, bool is_beside_ours, int *udp_fds, int *tcp_fds,
                unsigned count, struct err *e);
