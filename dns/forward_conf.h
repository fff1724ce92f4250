/* dns/forward_conf.h - which upstream resolvers are asked for which names: forward.upstream and
 * forward.zones as the workers read them.
 *
 * Built once on the control thread, then constant. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dns/access.h"
#include "zones/name.h"

#define FORWARD_UPSTREAMS_MAX 32 /* in all */
#define FORWARD_TEXT_MAX      64
#define FORWARD_LOOP_MAX      64

struct forward_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len;
    char text[FORWARD_TEXT_MAX]; /* "192.0.2.1:53", for logs and metrics */
};

struct forward_zone {
    uint8_t name[NAME_MAX_WIRE]; /* wire form, lower case; "." for forward.upstream */
    size_t name_len;
    uint32_t members; /* bit i: upstreams[i] */
};

struct forward_conf {
    struct forward_address upstreams[FORWARD_UPSTREAMS_MAX];
    size_t upstream_count;
    struct forward_zone *zones; /* owned; longest names first */
    size_t zone_count;          /* 0: nothing is forwarded */
    struct access_list recurse_acl;
    int64_t timeout_us;
    int64_t try_least_us; /* nobody is asked again sooner: 0, but for tests, which may be slow */
    uint8_t loop_labels[FORWARD_LOOP_MAX]; /* random first labels of the names of our probes: who
                                              else asks for them is we ourselves */
    size_t loop_len;
};

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53". ERR_INVALID names the option.
 */
int forward_address_parse(const char *option, const char *text, struct forward_address *out,
                          struct err *e);
/* upstreams: forward.upstream. zones: forward.zones as "suffix=ADDR ADDR", separated by blanks.
 * recurse: access.recurse. timeout_us is the caller's to set. */
int forward_conf_init(struct forward_conf *conf, const char *const *upstreams, size_t count,
                      const char *const *zones, size_t zone_count, const char *const *recurse,
                      size_t recurse_count, struct err *e);
void forward_conf_fini(struct forward_conf *conf);
/* The zone with the longest name that holds this one (any case), or NULL: it is not forwarded. */
const struct forward_zone *forward_zone_find(const struct forward_conf *conf, const uint8_t *name);
/* ERR_INVALID when an upstream is this bound listener: the same port, and the same address
 * or, for a wildcard, any address of this machine. */
int forward_check_listener(const struct forward_conf *conf, const struct sockaddr *listener,
                           struct err *e);
