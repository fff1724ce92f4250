/* dns/query.h - a request as bytes: header, question, EDNS, TSIG, in the order of checks of RFC
 * 1035, 6891 and 8945.
 *
 * Parsed by hand, without allocation: a struct query borrows the packet. Every verdict below is
 * decided by the first check that fails: opcode, counts and question, the rest of the
 * message, TSIG, EDNS version, cookie. What may be repeated in the response is said by has_question
 * and has_edns, whatever the verdict. Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zones/name.h"

#define DNS_HEADER_SIZE 12

enum dns_rcode {
    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    RCODE_YXDOMAIN = 6,
    RCODE_NOTAUTH = 9,
    RCODE_BADVERS = 16
};

enum query_verdict {
    QUERY_OK,
    QUERY_NOTIMP,      /* opcode other than QUERY: a bare header goes back */
    QUERY_FORMERR,     /* steps 6 and 7: no OPT in the response */
    QUERY_BAD_TSIG,    /* TSIG not last, not single, or unreadable: FORMERR */
    QUERY_TSIG,        /* a well-formed TSIG: no key is known here, NOTAUTH */
    QUERY_BADVERS,     /* EDNS version above 0 */
    QUERY_BAD_COOKIE,  /* COOKIE of impossible length: FORMERR with OPT */
    QUERY_COOKIE_ONLY, /* no question but a COOKIE: RFC 7873 section 5.4 */
};

struct query {
    const uint8_t *packet; /* borrowed */
    size_t len;
    uint16_t id;
    uint8_t opcode;
    bool rd;

    bool has_question;
    const uint8_t *name;              /* wire form, in the packet, as it was spelt */
    size_t name_len;                  /* root included */
    const struct name_lookup *lookup; /* the same name, as zones look for it */
    uint16_t type, class;             /* host order */

    bool has_edns;
    uint8_t edns_version;
    uint16_t udp_size; /* as announced */
    bool dnssec_ok;
    bool wants_nsid;
    bool wants_keepalive;
    bool was_edns_error;   /* the FORMERR is the OPT record's fault */
    const uint8_t *cookie; /* first COOKIE option: client part, then the server part; NULL: none or
                              malformed */
    size_t cookie_len;

    uint32_t ixfr_serial; /* IXFR: what the client has (RFC 1995 section 3) */

    bool has_tsig, is_bad_tsig;
    uint16_t tsig_key_at, tsig_algorithm_at; /* offsets of these names in the packet */
    size_t tsig_key_len, tsig_algorithm_len; /* decompressed: query_copy_name */
    const uint8_t *tsig_time;                /* 6 octets: time signed; then fudge, 2 octets */
    const uint8_t *tsig_original;            /* 2 octets: original ID */
};

/* The name behind the header, whether or not anything else is sound. wire_len is 0 when there is
 * none, or the header does not speak of one question. */
static inline void query_read_name(struct name_lookup *name, const uint8_t *packet, size_t len)
{
    bool is_one = len > DNS_HEADER_SIZE && packet[4] == 0 && packet[5] == 1;
    name->wire_len =
        is_one ? name_lookup_read(name, packet + DNS_HEADER_SIZE, len - DNS_HEADER_SIZE) : 0;
}

/* packet has at least 12 octets and QR=0 (the caller drops the others). name: query_read_name of
 * this packet; borrowed, as the packet is. with_cookies: false treats COOKIE as an unknown option.
 * Fills *q, of which has_question and has_edns are always meaningful. */
enum query_verdict query_parse(struct query *q, const uint8_t *packet, size_t len,
                               const struct name_lookup *name, bool with_cookies);
/* Writes a name of the packet that query_parse has read, decompressed and in lower case; its
 * length. */
size_t query_copy_name(const struct query *q, size_t at, uint8_t out[NAME_MAX_WIRE]);
