/* zones/naming.h - which names a Service and its endpoints own: kubernetes-dns.md sections 1 to 3
 * and 5, as pure functions.
 *
 * Input is plain data that the feed (controller/reconcile/zone_feed) fills from objects; nothing
 * here knows JSON, the store or a clock. All strings are borrowed for the call. Addresses are
 * binary: 4 octets for family 4, 16 for family 6. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct naming_address {
    uint8_t len; /* 4 or 16 */
    uint8_t bytes[16];
};
/* Text (RFC 5952 or any valid spelling, no zone id) to binary; false when it is no address (K-READY
 * 5: compare normalised). An IPv4-mapped IPv6 address (::ffff:a.b.c.d) becomes the four octets. */
bool naming_address_parse(const char *text, struct naming_address *out);
const char *naming_address_format(const struct naming_address *a, char out[48]);
bool naming_address_equal(const struct naming_address *a, const struct naming_address *b);

struct naming_port {
    const char *name;     /* "" or NULL: unnamed */
    const char *protocol; /* "TCP", "UDP", "SCTP" */
    uint16_t port;
};

struct naming_endpoint {
    const struct naming_address *addresses;
    size_t address_count;
    const char *hostname;   /* NULL: none */
    const char *target_pod; /* targetRef.name when it is a Pod, else NULL */
    uint64_t epoch;         /* annotation ordinald.dev/epoch of that Pod, 0: none (K-EPOCH) */
    bool ready;             /* conditions.ready, absent counts as true */
};

struct naming_slice {
    uint8_t family_len; /* 4 or 16; slices of other address types are not passed */
    const struct naming_port *ports;
    size_t port_count;
    const struct naming_endpoint *endpoints;
    size_t endpoint_count;
};

enum naming_type { NAMING_CLUSTER_IP, NAMING_HEADLESS, NAMING_EXTERNAL };

struct naming_service {
    const char *ns, *name;
    enum naming_type type;
    const struct naming_address *cluster_ips;
    size_t cluster_ip_count;
    const struct naming_port *ports;
    size_t port_count;
    const char *external_name;
    bool publish_not_ready; /* spec.publishNotReadyAddresses or the tolerate-unready-endpoints
                               annotation */
    bool publish_identity;  /* ordinald.dev/publish-identity: always (K-IDENT) */
    const struct naming_slice
        *slices; /* all slices of the Service, any order (K-READY 4: merged here) */
    size_t slice_count;
};

/* "10.0.0.7" -> "10-0-0-7"; "::1" -> "0--1"; "2001:db8:1:2:3:4::" -> "2001-db8-1-2-3-4--0" (K-HOST
 * c). */
void naming_dashed(const struct naming_address *a, char out[64]);
/* The inverse for pods mode insecure: any well-formed spelling (K-PODS). */
bool naming_undash(const uint8_t *label, size_t len, struct naming_address *out);
